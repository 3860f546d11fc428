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

    private let session: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer
    private(set) var isEstablished = false
    private var isBroken = false

    /// Makes the server's side; nil if OpenSSL has no memory.
    init?(context: OpaquePointer) {
        guard let session = SSL_new(context) else { return nil }
        guard let input = copenssl_memory_bio(), let output = copenssl_memory_bio() else {
            SSL_free(session)
            return nil
        }
        // The session owns both from here on.
        SSL_set_bio(session, input, output)
        SSL_set_accept_state(session)
        self.session = session
        self.input = input
        self.output = output
    }

    deinit { SSL_free(session) }

    /// Takes bytes from the wire.
    func receive(_ bytes: UnsafeBufferPointer<UInt8>) {
        BIO_write(input, bytes.baseAddress, Int32(bytes.count))
    }

    /// Goes on with the handshake as far as the bytes reach.
    func handshake() -> Progress {
        OpenSSLErrors.clear()
        let result = SSL_do_handshake(session)
        if result == 1 { isEstablished = true }
        return progress(result)
    }

    /// Decrypts as much as fits.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> (count: Int, progress: Progress) {
        OpenSSLErrors.clear()
        let result = SSL_read(session, buffer.baseAddress, Int32(clamping: buffer.count))
        return result > 0 ? (Int(result), .done) : (0, progress(result))
    }

    /// Encrypts all of some bytes, which must not be none; false if the session is broken.
    func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            OpenSSLErrors.clear()
            let result = SSL_write(session, rest.baseAddress, Int32(clamping: rest.count))
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
        let pending = BIO_ctrl_pending(output)
        guard pending > 0 else { return }
        bytes.reserveCapacity(bytes.count + pending)
        withUnsafeTemporaryAllocation(byteCount: min(pending, 16_384), alignment: 16) { buffer in
            while case let count = BIO_read(output, buffer.baseAddress, Int32(buffer.count)),
                count > 0
            { bytes += buffer[..<Int(count)] }
        }
    }

    /// Says that no more will come: without close_notify a client could take it for a cut.
    func end() {
        guard isEstablished, !isBroken else { return }
        OpenSSLErrors.clear()
        SSL_shutdown(session)
        OpenSSLErrors.clear()
    }

    var clientCertificate: ClientCertificate? { ClientCertificate(session: session) }

    private func progress(_ result: Int32) -> Progress {
        switch SSL_get_error(session, result) {
        case SSL_ERROR_NONE:
            return .done
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
            return .needsInput
        case SSL_ERROR_ZERO_RETURN:
            return .ended
        default:
            // After such an error SSL_shutdown must not be called (SSL_get_error(3)).
            isBroken = true
            OpenSSLErrors.clear()
            return .failed
        }
    }
}
