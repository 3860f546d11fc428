internal import COpenSSL

/// What a client believes: TLS 1.2 or later, and certificates of certain authorities.
final class TLSClientContext: @unchecked Sendable {
    // Safety: the context is complete when `init` ends and is not changed afterwards; OpenSSL
    // locks what its sessions share.
    private let raw: OpaquePointer

    /// - Parameter authoritiesFile: PEM; nil for the machine's, which OpenSSL finds in its own places
    ///   or in those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    /// - Throws: `TLSError` if the file cannot be read.
    init(authoritiesFile: String? = nil) throws(TLSError) {
        OpenSSLErrors.clear()
        guard let context = SSL_CTX_new(TLS_client_method()) else {
            throw TLSError(.createContext, file: "")
        }
        raw = context
        guard copenssl_set_minimum_tls12(context) == 1 else {
            throw TLSError(.createContext, file: "")
        }
        if let authoritiesFile {
            guard SSL_CTX_load_verify_locations(context, authoritiesFile, nil) == 1 else {
                throw TLSError(.loadAuthorities, file: authoritiesFile)
            }
        } else {
            guard SSL_CTX_set_default_verify_paths(context) == 1 else {
                throw TLSError(.createContext, file: "")
            }
        }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
    }

    deinit { SSL_CTX_free(raw) }

    /// A session with `host`; nil if OpenSSL has no memory for it.
    func makeSession(host: String) -> TLSSession? {
        withExtendedLifetime(self) { TLSSession(clientContext: raw, host: host) }
    }
}
