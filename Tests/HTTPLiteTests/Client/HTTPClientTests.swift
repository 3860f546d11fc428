import Glibc
import Testing

@testable import HTTPLite

@Suite("A client asks a server")
struct HTTPClientTests {
    private func router() -> Router {
        var router = Router()
        router.add(.post, "/echo") { request in
            let fields: HTTPFields = [
                "X-Host": request.fields["Host"] ?? "", "X-Field": request.fields["X-Field"] ?? "",
            ]
            return HTTPResponse(
                status: .created, fields: fields, body: .bytes(request.body))
        }
        router.add(.post, "/length") { request in
            let length = request.fields["Content-Length"] ?? "none"
            return HTTPResponse(status: .ok, body: .bytes(Array(length.utf8)))
        }
        router.add(.get, "/never") { _ in
            try await untilCancelled()
            return HTTPResponse(status: .ok)
        }
        return router
    }

    private func client(_ address: ListenerAddress, scheme: String = "http", host: String? = nil)
        throws -> HTTPClient
    {
        guard case .tcp(let bound, let port) = address else { throw HTTPClientError.timedOut }
        let origin = try #require(HTTPOrigin("\(scheme)://\(host ?? bound):\(port)"))
        return try HTTPClient(origin: origin, authoritiesFile: TLSFixture.path("ca.pem"))
    }

    private func echo(_ client: HTTPClient) async throws {
        let body = [UInt8](repeating: 65, count: 700_000)
        let request = HTTPClient.Request(
            .post, "/echo?a=b", fields: ["X-Field": "yes"], body: body)
        let response = try await client.send(request, within: .seconds(60))
        #expect(response.status == 201)
        #expect(response.fields["X-Host"] == client.origin.authority)
        #expect(response.fields["X-Field"] == "yes")
        #expect(response.body == body)
    }

    @Test("plainly, and through TLS that proves the host", arguments: ["127.0.0.1", "localhost"])
    func exchange(host: String) async throws {
        try await withServer(router()) { _, address in
            try await echo(client(address, host: host))
        }
        let context = try TLSContext(TLSFixture.configuration())
        try await withServer(router(), adjust: { $0.tls = context }) { _, address in
            try await echo(client(address, scheme: "https", host: host))
        }
    }

    @Test("a POST says that it has no body")
    func emptyPost() async throws {
        try await withServer(router()) { _, address in
            let response = try await client(address).send(
                .init(.post, "/length"), within: .seconds(60))
            #expect(response.body == Array("0".utf8))
        }
    }

    @Test("a certificate of others, or for another host, is not believed")
    func untrusted() async throws {
        let context = try TLSContext(TLSFixture.configuration())
        let adjust: (inout HTTPServerConfiguration) -> Void = {
            $0.tls = context
            $0.listeners = [.tcp(host: "127.0.0.2", port: 0)]
        }
        try await withServer(router(), adjust: adjust) { _, address in
            let named = try client(address, scheme: "https")
            await expect(.untrusted(reason: "IP address mismatch"), from: named)
            let strict = try HTTPClient(origin: named.origin)
            await expect(
                .untrusted(reason: "unable to get local issuer certificate"), from: strict)
        }
    }

    @Test("a server that is not there, or no server of TLS, is told apart")
    func noServer() async throws {
        var gone: ListenerAddress?
        try await withServer(router()) { _, address in
            gone = address
            let secure = try client(address, scheme: "https")
            await #expect(throws: HTTPClientError.self) {
                try await secure.send(.init(.get, "/never"), within: .seconds(60))
            }
        }
        await expect(
            .unreachable(reason: "Connection refused"), from: try client(try #require(gone)))
        let unknown = try HTTPClient(
            origin: try #require(HTTPOrigin("http://no-such-host.invalid")))
        await #expect {
            try await unknown.send(.init(.get, "/"), within: .seconds(60))
        } throws: {
            if case .unresolved? = $0 as? HTTPClientError { true } else { false }
        }
    }

    @Test("a wait ends at its deadline, and with its task")
    func ends() async throws {
        try await withServer(router()) { _, address in
            let client = try client(address)
            await #expect(throws: HTTPClientError.timedOut) {
                try await client.send(.init(.get, "/never"), within: .milliseconds(50))
            }
            let asking = Task {
                try await client.send(.init(.get, "/never"), within: .seconds(600))
            }
            asking.cancel()
            await #expect(throws: HTTPClientError.cancelled) { try await asking.value }
        }
    }

    @Test(
        "a request that cannot be written is not sent",
        arguments: ["", "a", "/a b", "/a\r\nX: y", "/ü"])
    func invalid(target: String) async throws {
        let client = try HTTPClient(origin: try #require(HTTPOrigin("http://127.0.0.1:1")))
        await #expect {
            try await client.send(.init(.get, target), within: .seconds(60))
        } throws: {
            if case .invalidRequest? = $0 as? HTTPClientError { true } else { false }
        }
    }

    private func expect(_ error: HTTPClientError, from client: HTTPClient) async {
        await #expect(throws: error) {
            try await client.send(.init(.get, "/never"), within: .seconds(60))
        }
    }
}
