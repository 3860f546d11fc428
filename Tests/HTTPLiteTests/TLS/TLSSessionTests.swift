import COpenSSL
import Testing

@testable import HTTPLite

@Suite("TLS without sockets")
struct TLSSessionTests {
    private func pair(
        _ client: TLSClient = TLSClient(),
        clients: TLSConfiguration.ClientCertificates = .none
    ) throws -> TLSPair {
        let context = try TLSContext(TLSFixture.configuration(clients: clients))
        return try #require(TLSPair(context, client: client))
    }

    @Test(
        "a handshake succeeds in pieces of any size, and both sides can talk",
        arguments: [
            (TLS1_2_VERSION, 1), (TLS1_3_VERSION, 1), (TLS1_2_VERSION, 7),
            (TLS1_3_VERSION, 100_000),
        ])
    func handshake(version: Int32, pieces: Int) throws {
        var pair = try pair(TLSClient(versions: version...version))
        pair.connect(pieces: pieces)
        #expect(pair.server.isEstablished && pair.client.isEstablished)
        _ = pair.deliver(pair.client.encrypt("hello"), pieces: pieces)
        #expect(pair.serverReads() == "hello")
        let isWritten = Array("answer".utf8).withUnsafeBytes { pair.server.write($0) }
        pair.server.end()
        #expect(isWritten)
        _ = pair.client.exchange(pair.deliver([]))
        #expect(pair.client.read() == Array("answer".utf8))
        #expect(pair.client.hasEnded)
    }

    @Test("versions before 1.2 are turned away with an alert")
    func oldVersions() throws {
        var pair = try pair(TLSClient(versions: TLS1_VERSION...TLS1_1_VERSION))
        pair.connect()
        #expect(pair.hasServerFailed && pair.client.hasFailed)
    }

    @Test(
        "HTTP/1.1 is agreed on, or nothing",
        arguments: [
            ([], ""), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"),
            (["h2"], nil), (["http/1", "http/1.10"], nil), (["http/1.0"], "http/1.0"),
            (["http/1.0", "http/1.1"], "http/1.1"),
        ] as [([String], String?)])
    func alpn(offered: [String], agreed: String?) throws {
        var pair = try pair(TLSClient(protocols: offered))
        pair.connect()
        #expect(pair.server.isEstablished == (agreed != nil))
        if let agreed { #expect(pair.client.agreedProtocol == agreed) }
    }

    @Test("a cut or damaged handshake harms nobody")
    func torture() throws {
        let context = try TLSContext(TLSFixture.configuration())
        let hello = TLSClient().exchange([])
        for index in hello.indices {
            var cut = try #require(TLSPair(context))
            _ = cut.deliver(Array(hello[..<index]))
            #expect(!cut.server.isEstablished)
            var damaged = try #require(TLSPair(context))
            var bytes = hello
            bytes[index] ^= 0x55
            _ = damaged.deliver(bytes)
            #expect(!damaged.server.isEstablished)
        }
        var random = SeededGenerator(seed: 5)
        for _ in 0..<200 {
            var pair = try #require(TLSPair(context))
            _ = pair.deliver((0..<300).map { _ in .random(in: 0...255, using: &random) })
            #expect(!pair.server.isEstablished)
        }
    }

    @Test("garbage after the handshake ends this session and no other")
    func garbage() throws {
        let context = try TLSContext(TLSFixture.configuration())
        var (broken, good) = (try #require(TLSPair(context)), try #require(TLSPair(context)))
        broken.connect()
        good.connect()
        _ = broken.deliver([UInt8](repeating: 0x17, count: 100))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 16)
        defer { buffer.deallocate() }
        #expect(broken.server.read(into: buffer).progress == .failed)
        broken.server.end()
        // The failure's error must not be found in the queue by the other session's call.
        #expect(good.server.read(into: buffer).progress == .needsInput)
        _ = good.deliver(good.client.encrypt("still here"))
        #expect(good.serverReads() == "still here")
    }

    @Test(
        "a client certificate tells who calls",
        arguments: [
            ("client", "CN=ci,O=acme", "ci"), ("twins", "CN=two,CN=one", nil),
        ] as [(String, String, String?)])
    func clientCertificate(name: String, subject: String, commonName: String?) throws {
        for clients in [
            TLSConfiguration.ClientCertificates.optional(caFile: TLSFixture.path("ca.pem")),
            .required(caFile: TLSFixture.path("ca.pem")),
        ] {
            var pair = try pair(TLSClient(certificate: name), clients: clients)
            pair.connect()
            let certificate = pair.server.clientCertificate
            #expect(certificate?.subject == subject)
            #expect(certificate?.commonName == commonName)
        }
    }

    @Test(
        "without a good certificate a client is nobody, or turned away",
        arguments: [
            (String?.none, false, true), (nil, true, false), ("stranger", false, false),
            ("stranger", true, false),
        ])
    func noCertificate(name: String?, isRequired: Bool, isLetIn: Bool) throws {
        let file = TLSFixture.path("ca.pem")
        var pair = try pair(
            TLSClient(certificate: name),
            clients: isRequired ? .required(caFile: file) : .optional(caFile: file))
        pair.connect()
        #expect(pair.server.isEstablished == isLetIn)
        #expect(pair.server.clientCertificate == nil)
    }

    @Test(
        "files that are wrong are named, with the reason",
        arguments: [
            ("nothing.pem", "server.key", TLSError.Operation.loadCertificate),
            ("make.sh", "server.key", .loadCertificate),
            ("server.pem", "nothing.key", .loadPrivateKey),
            ("server.pem", "client.key", .loadPrivateKey),
        ])
    func badFiles(certificate: String, key: String, operation: TLSError.Operation) {
        let configuration = TLSConfiguration(
            certificateFile: TLSFixture.path(certificate), privateKeyFile: TLSFixture.path(key))
        let error = #expect(throws: TLSError.self) { try TLSContext(configuration) }
        #expect(error?.operation == operation)
        #expect(error?.description.contains(".") == true)
        #expect(ERR_peek_error() == 0)
    }
}
