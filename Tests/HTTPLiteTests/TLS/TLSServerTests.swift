import Foundation
import Testing

@testable import HTTPLite

/// A TLS client on a socket.
private final class TLSConnection {
    let raw: RawClient
    let tls: TLSClient
    private(set) var plain: [UInt8] = []
    private var taken = 0

    init(_ address: ListenerAddress, _ tls: TLSClient = TLSClient()) throws {
        raw = try RawClient(address)
        self.tls = tls
    }

    func connect() async {
        await raw.send(tls.exchange([]))
        await pump { tls.isEstablished || tls.hasFailed }
    }

    func request(_ text: String) async -> ResponseReader.Response? {
        await raw.send(tls.encrypt(text))
        await pump { response != nil }
        return response
    }

    func readToEnd() async {
        await pump { false }
    }

    private var response: ResponseReader.Response? {
        var reader = ResponseReader(plain)
        return reader.next()
    }

    private func pump(until isEnough: () -> Bool) async {
        let end = ContinuousClock.now + .seconds(20)
        while !isEnough(), raw.ending == .open, ContinuousClock.now < end {
            let known = raw.received.count
            await raw.read { $0.received.count > known }
            let answer = tls.exchange(Array(raw.received[taken...]))
            taken = raw.received.count
            if tls.isEstablished { plain += tls.read() }
            if !answer.isEmpty { await raw.send(answer) }
        }
    }
}

@Suite("TLS on sockets")
struct TLSServerTests {
    private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    private func router() -> Router {
        var router = Router()
        router.add(.get, "/") { request in
            let caller = request.clientCertificate?.commonName ?? "nobody"
            return HTTPResponse(status: .ok, body: .bytes(Array(caller.utf8)))
        }
        router.add(.get, "/large") { _ in
            HTTPResponse(status: .ok, body: .bytes([UInt8](repeating: 7, count: 3_000_000)))
        }
        return router
    }

    @Test("requests are answered, with the caller's certificate, and the end is announced")
    func serves() async throws {
        let context = try TLSContext(
            TLSFixture.configuration(clients: .optional(caFile: TLSFixture.path("ca.pem"))))
        try await withServer(router(), adjust: { $0.tls = context }) { _, address in
            let client = try TLSConnection(address, TLSClient(certificate: "client"))
            await client.connect()
            #expect(await client.request(get)?.text == "ci")
            let large = try TLSConnection(address)
            await large.connect()
            let text = "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            #expect(await large.request(text)?.body.count == 3_000_000)
            await large.readToEnd()
            #expect(large.tls.hasEnded)
        }
    }

    @Test("plain HTTP gets a clear answer, garbage none")
    func notTLS() async throws {
        let context = try TLSContext(TLSFixture.configuration())
        try await withServer(router(), adjust: { $0.tls = context }) { _, address in
            let plain = try RawClient(address)
            await plain.send(get)
            let responses = await plain.read(responses: 1)
            #expect(responses.map(\.status) == [400])
            #expect(responses.first?.text == "this port speaks HTTPS\n")
            #expect(await plain.readToEnd() == .closed)
            let garbage = try RawClient(address)
            await garbage.send([0, 1, 2, 3])
            #expect(await garbage.readToEnd() != .open)
            #expect(garbage.received.isEmpty)
        }
    }

    @Test("a handshake that stalls holds up neither others nor a shutdown")
    func stalled() async throws {
        let context = try TLSContext(TLSFixture.configuration())
        try await withServer(router(), adjust: { $0.tls = context }) { server, address in
            let stalled = try RawClient(address)
            await stalled.send(Array(TLSClient().exchange([]).prefix(20)))
            let client = try TLSConnection(address)
            await client.connect()
            #expect(await client.request(get)?.status == 200)
            #expect(server.stats.connections == 2)
            await server.shutdown(deadline: .seconds(60))
            #expect(await stalled.readToEnd() != .open)
        }
    }

    @Test("certificates are renewed while connections live; a broken file changes nothing")
    func reload() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "httplite-tls-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func install(_ name: String) throws {
            for ending in ["pem", "key"] {
                let content = try Data(
                    contentsOf: URL(filePath: TLSFixture.path("\(name).\(ending)")))
                try content.write(to: folder.appending(path: "x.\(ending)"))
            }
        }
        try install("server")
        let context = try TLSContext(
            TLSConfiguration(
                certificateFile: folder.appending(path: "x.pem").path,
                privateKeyFile: folder.appending(path: "x.key").path))
        try await withServer(router(), adjust: { $0.tls = context }) { _, address in
            let old = try TLSConnection(address)
            await old.connect()
            #expect(old.tls.serverName == "first")
            try install("renewed")
            try context.reload()
            let new = try TLSConnection(address)
            await new.connect()
            #expect(new.tls.serverName == "second")
            #expect(await old.request(get)?.status == 200)
            try Data().write(to: folder.appending(path: "x.pem"))
            #expect(throws: TLSError.self) { try context.reload() }
            let later = try TLSConnection(address)
            await later.connect()
            #expect(later.tls.serverName == "second")
        }
    }
}
