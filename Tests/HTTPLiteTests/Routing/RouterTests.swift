import Testing

@testable import HTTPLite

@Suite("Router")
struct RouterTests {
    private static let router: Router = {
        var router = Router()
        for (method, pattern) in [
            (HTTPMethod.get, "/"), (.get, "/v1/jobs"), (.post, "/v1/jobs"),
            (.get, "/v1/jobs/{id}"), (.get, "/v1/jobs/{id}/tenants"), (.get, "/v1/jobs/latest"),
            (.post, "/v1/{kind}/{id}/cancel"), (.delete, "/v1/jobs/latest/x"),
        ] {
            router.add(method, pattern, maxBodyBytes: 7) { request in
                let values = request.pathParameters.sorted { $0.key < $1.key }
                let text = values.map { "\($0.key)=\($0.value)" }.joined(separator: "&")
                return HTTPResponse(status: .ok, body: .bytes(Array("\(pattern) \(text)".utf8)))
            }
        }
        return router
    }()

    private func request(_ method: String, _ target: String) throws -> HTTPRequest {
        let text = "\(method) \(target) HTTP/1.1\r\nHost: a\r\n\r\n"
        var parser = RequestParser(limits: SharedLimits(Limits()))
        Array(text.utf8).withUnsafeBufferPointer { parser.receive($0) }
        guard case .head(let head) = parser.next() else {
            throw HTTPFailure(.malformedRequest, "the test's request is wrong")
        }
        return HTTPRequest(head: head, peer: "p", requestID: "r")
    }

    @Test(
        "a path finds its route; a literal wins over a parameter",
        arguments: [
            ("GET", "/", "/ "),
            ("GET", "/v1/jobs", "/v1/jobs "),
            ("GET", "/v1/jobs?x=1", "/v1/jobs "),
            ("HEAD", "/v1/jobs", "/v1/jobs "),
            ("GET", "/v1/jobs/7", "/v1/jobs/{id} id=7"),
            ("GET", "/v1/jobs/latest", "/v1/jobs/latest "),
            ("GET", "/v1/jobs/latest/tenants", "/v1/jobs/{id}/tenants id=latest"),
            ("GET", "/v1/jobs/a%2Fb%20c", "/v1/jobs/{id} id=a/b c"),
            ("GET", "/v1/%6Aobs", "/v1/jobs "),
            ("POST", "/v1/jobs/7/cancel", "/v1/{kind}/{id}/cancel id=7&kind=jobs"),
            ("GET", "http://b/v1/jobs/7", "/v1/jobs/{id} id=7"),
        ])
    func routes(method: String, target: String, text: String) async throws {
        let response = try await Self.router.handle(try request(method, target))
        guard case .bytes(let bytes) = response.body else {
            Issue.record("no body")
            return
        }
        #expect(String(decoding: bytes, as: UTF8.self) == text)
    }

    @Test(
        "what has no route says why",
        arguments: [
            ("GET", "/v2", HTTPFailure.Reason.notFound, String?.none),
            ("GET", "/v1", .notFound, nil),
            ("GET", "/v1/jobs/", .notFound, nil),
            ("GET", "/v1/jobs//tenants", .notFound, nil),
            ("GET", "//v1/jobs", .notFound, nil),
            ("PUT", "/v1/jobs", .methodNotAllowed, "GET, HEAD, OPTIONS, POST"),
            ("GET", "/v1/jobs/latest/x", .methodNotAllowed, "DELETE, OPTIONS"),
            ("TRACE", "/", .methodNotAllowed, "GET, HEAD, OPTIONS"),
            ("FROB", "/v1/jobs", .unknownMethod, nil),
            ("get", "/v1/jobs", .unknownMethod, nil),
        ])
    func failures(
        method: String, target: String, reason: HTTPFailure.Reason, allow: String?
    ) async throws {
        let request = try request(method, target)
        let failure = await #expect(throws: HTTPFailure.self) {
            try await Self.router.handle(request)
        }
        #expect(failure?.reason == reason)
        #expect(failure?.fields["Allow"] == allow)
        #expect(Self.router.bounds(for: request).body == .ignore)
    }

    @Test(
        "OPTIONS is answered for a path and for the server",
        arguments: [
            ("/v1/jobs", "GET, HEAD, OPTIONS, POST"), ("*", "DELETE, GET, HEAD, OPTIONS, POST"),
        ])
    func options(target: String, allow: String) async throws {
        let response = try await Self.router.handle(try request("OPTIONS", target))
        #expect(response.status == .noContent)
        #expect(response.fields["Allow"] == allow)
    }

    @Test("bounds are the route's, also through middleware")
    func bounds() async throws {
        struct Tag: HTTPMiddleware {
            let name: String
            func handle(_ request: HTTPRequest, next: any HTTPHandler) async throws -> HTTPResponse
            {
                var response = try await next.handle(request)
                response.fields.append("X-Tag", name)
                return response
            }
        }
        let request = try request("POST", "/v1/jobs")
        let wrapped = Self.router.wrapped(in: [Tag(name: "outer"), Tag(name: "inner")])
        #expect(wrapped.bounds(for: request).body == .collect(limit: 7))
        #expect(try await wrapped.handle(request).fields.values(of: "x-tag") == ["inner", "outer"])
    }

    @Test("a parameter is a value or the path is unknown")
    func typed() throws {
        var request = try request("GET", "/")
        request.pathParameters = ["id": "12", "name": "x"]
        #expect(try request.pathParameter("id", as: Int.self) == 12)
        #expect(throws: HTTPFailure(.notFound, "no resource has this path")) {
            try request.pathParameter("name", as: Int.self)
        }
    }
}
