internal import COpenSSL

/// Which files TLS is made of.
public struct TLSConfiguration: Sendable, Equatable {
    /// What is asked of clients.
    public enum ClientCertificates: Sendable, Equatable {
        case none
        /// A certificate is checked where the client has one.
        case optional(caFile: String)
        /// A client without a certificate that these authorities signed is turned away.
        case required(caFile: String)
    }

    /// The server's certificate and those of its issuers, PEM, leaf first.
    public var certificateFile: String
    /// The certificate's key, PEM, without a passphrase.
    public var privateKeyFile: String
    /// What is asked of clients.
    public var clientCertificates: ClientCertificates

    /// Makes a configuration.
    public init(
        certificateFile: String, privateKeyFile: String,
        clientCertificates: ClientCertificates = .none
    ) {
        self.certificateFile = certificateFile
        self.privateKeyFile = privateKeyFile
        self.clientCertificates = clientCertificates
    }
}

/// A server's certificate and rules for TLS 1.2 and 1.3, read from files and read again at will.
public final class TLSContext: Sendable {
    private let configuration: TLSConfiguration
    private let current: Locked<ContextHandle>

    /// Reads the files.
    public init(_ configuration: TLSConfiguration) throws(TLSError) {
        self.configuration = configuration
        current = Locked(try ContextHandle(configuration))
    }

    /// Reads the files again; new connections use them, open ones keep the old.
    ///
    /// - Throws: `TLSError`, with the old files still in force.
    public func reload() throws(TLSError) {
        let renewed = try ContextHandle(configuration)
        current.withLock { $0 = renewed }
    }

    /// A session for a new connection; nil if OpenSSL has no memory for it.
    func makeSession() -> TLSSession? {
        current.withLock { $0.withRaw(TLSSession.init(context:)) }
    }
}

/// Owns one reference to an `SSL_CTX`; sessions hold references of their own.
private final class ContextHandle: @unchecked Sendable {
    // Safety: the context is complete when `init` ends and is not changed afterwards; OpenSSL
    // locks what its sessions share.
    private let raw: OpaquePointer

    private static let ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20"
    private static let sessionName: [UInt8] = Array("httplite".utf8)

    init(_ configuration: TLSConfiguration) throws(TLSError) {
        OpenSSLErrors.clear()
        guard let context = SSL_CTX_new(TLS_server_method()) else {
            throw TLSError(.createContext, file: "")
        }
        raw = context
        copenssl_set_server_modes(context)
        copenssl_set_server_options(context)
        // The list is for TLS 1.2; the suites of 1.3 are all good.
        guard copenssl_set_minimum_tls12(context) == 1,
            SSL_CTX_set_cipher_list(context, Self.ciphers) == 1,
            SSL_CTX_set_session_id_context(
                context, Self.sessionName, UInt32(Self.sessionName.count)) == 1
        else { throw TLSError(.createContext, file: "") }
        // A key with a passphrase is an error, not a question on the terminal.
        SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in 0 }
        SSL_CTX_set_alpn_select_cb(context, selectProtocol, nil)
        try load(configuration)
        try askClients(configuration.clientCertificates)
    }

    deinit { SSL_CTX_free(raw) }

    /// Lends the pointer to `body`, which must not keep it.
    func withRaw<Value>(_ body: (OpaquePointer) -> Value) -> Value {
        withExtendedLifetime(self) { body(raw) }
    }

    private func load(_ configuration: TLSConfiguration) throws(TLSError) {
        let certificate = configuration.certificateFile
        guard SSL_CTX_use_certificate_chain_file(raw, certificate) == 1 else {
            throw TLSError(.loadCertificate, file: certificate)
        }
        let key = configuration.privateKeyFile
        guard SSL_CTX_use_PrivateKey_file(raw, key, SSL_FILETYPE_PEM) == 1 else {
            throw TLSError(.loadPrivateKey, file: key)
        }
        guard SSL_CTX_check_private_key(raw) == 1 else {
            throw TLSError(.matchPrivateKey, file: key)
        }
    }

    private func askClients(_ asked: TLSConfiguration.ClientCertificates) throws(TLSError) {
        let (file, mode): (String, Int32)
        switch asked {
        case .none: return
        case .optional(let caFile): (file, mode) = (caFile, SSL_VERIFY_PEER)
        case .required(let caFile):
            (file, mode) = (caFile, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT)
        }
        guard SSL_CTX_load_verify_locations(raw, file, nil) == 1,
            let names = SSL_load_client_CA_file(file)
        else { throw TLSError(.loadClientCA, file: file) }
        SSL_CTX_set_client_CA_list(raw, names)
        SSL_CTX_set_verify(raw, mode, nil)
        // A resumed session brings its client's certificate along as it was once verified: one that
        // has expired since would still be let in.
        guard copenssl_forbid_resumption(raw) == 1 else {
            throw TLSError(.createContext, file: "")
        }
    }
}

/// ALPN (RFC 7301): `http/1.1`, else `http/1.0`, which old clients offer alone; nothing in common
/// ends the handshake.
private func selectProtocol(
    _ session: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ chosenLength: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?,
    _ offeredLength: UInt32, _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    guard let offered, let chosen, let chosenLength else { return SSL_TLSEXT_ERR_NOACK }
    let list = UnsafeBufferPointer(start: offered, count: Int(offeredLength))
    for name in ["http/1.1", "http/1.0"] {
        guard let place = placeOfProtocol(name, in: list) else { continue }
        chosen.pointee = offered + place
        chosenLength.pointee = UInt8(name.utf8.count)
        return SSL_TLSEXT_ERR_OK
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}

/// Where a protocol's name begins in a list of names, each of which follows a byte with its length.
private func placeOfProtocol(_ name: String, in list: UnsafeBufferPointer<UInt8>) -> Int? {
    var start = 0
    while start < list.count {
        let (first, end) = (start + 1, start + 1 + Int(list[start]))
        guard end <= list.count else { return nil }
        if list[first..<end].elementsEqual(name.utf8) { return first }
        start = end
    }
    return nil
}
