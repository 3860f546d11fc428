internal import COpenSSL

extension ClientCertificate {
    /// Reads a session's certificate; nil if the client had none or it was not verified.
    init?(session: OpaquePointer) {
        guard let certificate = SSL_get1_peer_certificate(session) else { return nil }
        defer { X509_free(certificate) }
        guard SSL_get_verify_result(session) == X509_V_OK,
            let name = X509_get_subject_name(certificate), let bio = copenssl_memory_bio()
        else { return nil }
        defer { BIO_free(bio) }
        copenssl_print_name(bio, name)
        var text = [UInt8](repeating: 0, count: BIO_ctrl_pending(bio))
        BIO_read(bio, &text, Int32(text.count))
        self.init(
            subject: String(decoding: text, as: UTF8.self), commonName: Self.commonName(name))
    }

    private static func commonName(_ name: OpaquePointer) -> String? {
        let index = X509_NAME_get_index_by_NID(name, NID_commonName, -1)
        // Two names could be read as two callers.
        guard index >= 0, X509_NAME_get_index_by_NID(name, NID_commonName, index) < 0,
            let entry = X509_NAME_get_entry(name, index),
            let value = X509_NAME_ENTRY_get_data(entry)
        else { return nil }
        var utf8: UnsafeMutablePointer<UInt8>?
        let length = ASN1_STRING_to_UTF8(&utf8, value)
        guard length > 0, let utf8 else { return nil }
        defer { CRYPTO_free(utf8, nil, 0) }
        let bytes = UnsafeBufferPointer(start: utf8, count: Int(length))
        return bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
    }
}
