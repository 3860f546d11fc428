internal import COpenSSL

/// One connection's TLS: bytes of the wire in and out, plain bytes in and out, no socket.
///
/// OpenSSL's error queue is cleared before each call and emptied after each failure, so that one
/// connection's error is never taken for another's.
final class TLSSession {
    enum Progress {
        case done
        /// More bytes from the client are needed.
        case needsInput
        /// The client has ended its side with close_notify.
        case ended
        /// The session is broken; an alert for the client may wait in the output.
        case failed
    }

    private let raw: Raw
    private(set) var isEstablished = false
    private var isBroken = false
    /// OpenSSL's reason for the failure; empty before one.
    private(set) var failure = ""

    private struct Raw {
        let session: OpaquePointer
        /// The session's own, for as long as it lives.
        let input: OpaquePointer
        let output: OpaquePointer
    }

    /// Lends the pointers to `body`: the session lives until that returns.
    private func withRaw<Value>(_ body: (Raw) -> Value) -> Value {
        withExtendedLifetime(self) { body(raw) }
    }

    /// Makes the server's side; nil if OpenSSL has no memory.
    convenience init?(context: OpaquePointer) {
        self.init(context: context, setState: SSL_set_accept_state)
    }

    /// Makes the side of a client of `host`, a name or an address, whose certificate is verified;
    /// nil if OpenSSL has no memory.
    convenience init?(clientContext: OpaquePointer, host: String) {
        self.init(context: clientContext, setState: SSL_set_connect_state)
        let isExpected = withRaw { raw in
            // An address is looked for among the certificate's addresses, and is no server's name.
            if X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(raw.session), host) == 1 { return true }
            OpenSSLErrors.clear()
            return SSL_set1_host(raw.session, host) == 1
                && copenssl_set_server_name(raw.session, host) == 1
        }
        guard isExpected else { return nil }
    }

    private init?(context: OpaquePointer, setState: (OpaquePointer) -> Void) {
        guard let session = SSL_new(context) else { return nil }
        guard let input = copenssl_memory_bio(), let output = copenssl_memory_bio() else {
            SSL_free(session)
            return nil
        }
        // The session owns both from here on.
        SSL_set_bio(session, input, output)
        setState(session)
        raw = Raw(session: session, input: input, output: output)
    }

    deinit { SSL_free(raw.session) }

    /// Takes bytes from the wire.
    func receive(_ bytes: UnsafeBufferPointer<UInt8>) {
        withRaw { _ = BIO_write($0.input, bytes.baseAddress, Int32(bytes.count)) }
    }

    /// Goes on with the handshake as far as the bytes reach.
    func handshake() -> Progress {
        OpenSSLErrors.clear()
        let result = withRaw { SSL_do_handshake($0.session) }
        if result == 1 { isEstablished = true }
        return progress(result)
    }

    /// Decrypts as much as fits.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> (count: Int, progress: Progress) {
        OpenSSLErrors.clear()
        let result = withRaw {
            SSL_read($0.session, buffer.baseAddress, Int32(clamping: buffer.count))
        }
        return result > 0 ? (Int(result), .done) : (0, progress(result))
    }

    /// Encrypts all of some bytes, which must not be none; false if the session is broken.
    func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            OpenSSLErrors.clear()
            let result = withRaw {
                SSL_write($0.session, rest.baseAddress, Int32(clamping: rest.count))
            }
            guard result > 0 else {
                _ = progress(result)
                return false
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[Int(result)...])
        }
        return true
    }

    /// Moves what is to be sent to the wire.
    func takeOutput(into bytes: inout [UInt8]) {
        withRaw { raw in
            let pending = BIO_ctrl_pending(raw.output)
            guard pending > 0 else { return }
            bytes.reserveCapacity(bytes.count + pending)
            withUnsafeTemporaryAllocation(byteCount: min(pending, 16_384), alignment: 16) { part in
                while case let count = BIO_read(raw.output, part.baseAddress, Int32(part.count)),
                    count > 0
                { bytes += part[..<Int(count)] }
            }
        }
    }

    /// Says that no more will come: without close_notify a client could take it for a cut.
    func end() {
        guard isEstablished, !isBroken else { return }
        OpenSSLErrors.clear()
        withRaw { _ = SSL_shutdown($0.session) }
        OpenSSLErrors.clear()
    }

    /// Why the peer's certificate was refused, in OpenSSL's words; nil if it was not.
    var verificationFailure: String? {
        let code = withRaw { SSL_get_verify_result($0.session) }
        guard code != Int(X509_V_OK) else { return nil }
        return String(cString: X509_verify_cert_error_string(code))
    }

    var clientCertificate: ClientCertificate? {
        withRaw { ClientCertificate(session: $0.session) }
    }

    private func progress(_ result: Int32) -> Progress {
        switch withRaw({ SSL_get_error($0.session, result) }) {
        case SSL_ERROR_NONE:
            return .done
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
            return .needsInput
        case SSL_ERROR_ZERO_RETURN:
            return .ended
        default:
            // After such an error SSL_shutdown must not be called (SSL_get_error(3)).
            isBroken = true
            failure = OpenSSLErrors.takeReason()
            return .failed
        }
    }
}
