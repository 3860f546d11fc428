import COpenSSL
import Foundation

@testable import HTTPLite

/// The test certificates.
enum TLSFixture {
    static func path(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Fixtures/http/tls/\(name)").standardized.path
    }

    static func configuration(
        _ name: String = "server", clients: TLSConfiguration.ClientCertificates = .none
    ) -> TLSConfiguration {
        TLSConfiguration(
            certificateFile: path("\(name).pem"), privateKeyFile: path("\(name).key"),
            clientCertificates: clients)
    }
}

/// The client's side of TLS over memory, as a test wants it.
final class TLSClient {
    private let context: OpaquePointer?
    private let session: OpaquePointer?
    private let input: OpaquePointer?
    private let output: OpaquePointer?
    private(set) var isEstablished = false
    private(set) var hasFailed = false
    /// Whether the server has said that no more will come.
    private(set) var hasEnded = false

    /// Makes a client that trusts anybody.
    ///
    /// - Parameters:
    ///   - certificate: the name of a fixture to show, nil for none.
    ///   - versions: the versions offered, as OpenSSL numbers them.
    ///   - protocols: the ALPN names offered.
    init(
        certificate: String? = nil, versions: ClosedRange<Int32> = TLS1_2_VERSION...TLS1_3_VERSION,
        protocols: [String] = []
    ) {
        context = SSL_CTX_new(TLS_client_method())
        if versions.lowerBound < TLS1_2_VERSION {
            SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0")
        }
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(versions.lowerBound), nil)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(versions.upperBound), nil)
        if let certificate {
            SSL_CTX_use_certificate_file(
                context, TLSFixture.path("\(certificate).pem"), SSL_FILETYPE_PEM)
            SSL_CTX_use_PrivateKey_file(
                context, TLSFixture.path("\(certificate).key"), SSL_FILETYPE_PEM)
        }
        session = SSL_new(context)
        input = BIO_new(BIO_s_mem())
        output = BIO_new(BIO_s_mem())
        SSL_set_bio(session, input, output)
        SSL_set_connect_state(session)
        let names = protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        if !names.isEmpty { SSL_set_alpn_protos(session, names, UInt32(names.count)) }
    }

    deinit {
        SSL_free(session)
        SSL_CTX_free(context)
    }

    /// Takes bytes from the server and gives what is to be sent to it.
    func exchange(_ bytes: [UInt8]) -> [UInt8] {
        if !bytes.isEmpty { BIO_write(input, bytes, Int32(bytes.count)) }
        if !isEstablished {
            ERR_clear_error()
            let result = SSL_do_handshake(session)
            isEstablished = result == 1
            note(result)
        }
        return takeOutput()
    }

    func encrypt(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        SSL_write(session, bytes, Int32(bytes.count))
        return takeOutput()
    }

    /// All that can be decrypted.
    func read() -> [UInt8] {
        var plain: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            ERR_clear_error()
            let count = SSL_read(session, &buffer, Int32(buffer.count))
            guard count > 0 else {
                note(count)
                return plain
            }
            plain += buffer[..<Int(count)]
        }
    }

    /// The ALPN name that was agreed on.
    var agreedProtocol: String {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(session, &name, &length)
        return String(
            decoding: UnsafeBufferPointer(start: name, count: Int(length)), as: UTF8.self)
    }

    /// The common name of the server's certificate.
    var serverName: String {
        guard let certificate = SSL_get1_peer_certificate(session) else { return "" }
        defer { X509_free(certificate) }
        var name = [CChar](repeating: 0, count: 100)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, &name, 100)
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private func note(_ result: Int32) {
        guard result <= 0 else { return }
        switch SSL_get_error(session, result) {
        case SSL_ERROR_WANT_READ: break
        case SSL_ERROR_ZERO_RETURN: hasEnded = true
        default: hasFailed = true
        }
        ERR_clear_error()
    }

    private func takeOutput() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: BIO_ctrl_pending(output))
        if !bytes.isEmpty { BIO_read(output, &bytes, Int32(bytes.count)) }
        return bytes
    }
}

/// The server's side of TLS over memory.
struct TLSPair {
    let client: TLSClient
    let server: TLSSession
    private(set) var hasServerFailed = false

    init?(_ context: TLSContext, client: TLSClient = TLSClient()) {
        guard let server = context.makeSession() else { return nil }
        self.client = client
        self.server = server
    }

    /// Gives the client's bytes to the server in pieces and takes what it answers.
    mutating func deliver(_ bytes: [UInt8], pieces: Int = 100_000) -> [UInt8] {
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            let piece = bytes[start..<min(start + pieces, bytes.count)]
            piece.withUnsafeBufferPointer { server.receive($0) }
            if !server.isEstablished, server.handshake() == .failed { hasServerFailed = true }
        }
        var answer: [UInt8] = []
        server.takeOutput(into: &answer)
        return answer
    }

    /// Lets both sides talk until neither has anything to say.
    mutating func connect(pieces: Int = 100_000) {
        var toServer = client.exchange([])
        while !toServer.isEmpty {
            let toClient = deliver(toServer, pieces: pieces)
            toServer = toClient.isEmpty ? [] : client.exchange(toClient)
        }
    }

    /// All that the server can decrypt.
    func serverReads() -> String {
        var plain: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
        defer { buffer.deallocate() }
        while case let (count, progress) = server.read(into: buffer), progress == .done {
            plain += buffer[..<count]
        }
        return String(decoding: plain, as: UTF8.self)
    }
}
