internal import COpenSSL
package import PostgresClient
internal import Support

/// Why an encrypted field cannot be opened.
package enum FieldCipherError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Cut, changed, or encrypted with another key.
    case invalidToken

    package var description: String {
        "cannot be decrypted: it was changed, or encrypted with another key"
    }
}

/// Opens registry fields that fastapi-tenancy encrypted: `enc::` before a Fernet token
/// (https://github.com/fernet/spec), whose key is derived from the configured one by HKDF-SHA256.
package struct FieldCipher: Sendable {
    private let signingKey: [UInt8]
    private let encryptionKey: [UInt8]

    /// Derives the keys: RFC 5869 with no salt (32 zero bytes) and 32 bytes of output, which is
    /// one round of its expansion.
    package init(key: Secret) {
        let salt = [UInt8](repeating: 0, count: 32)
        let pseudorandom = Digest.hmacSHA256(key: salt, Array(key.reveal().utf8))
        let info = Array("fastapi-tenancy-v1".utf8)
        let derived = Digest.hmacSHA256(key: pseudorandom, info + [1])
        signingKey = Array(derived[..<16])
        encryptionKey = Array(derived[16...])
    }

    /// Whether a field is encrypted at all.
    package static func isEncrypted(_ field: Secret) -> Bool {
        field.reveal().utf8.starts(with: prefix.utf8)
    }

    /// The field's text; a field that is not encrypted is its own text.
    package func open(_ field: Secret) throws(FieldCipherError) -> Secret {
        guard Self.isEncrypted(field) else { return field }
        let token = Base64URL.decode(field.reveal().dropFirst(Self.prefix.count))
        // Version, time, initialization vector, at least one block, signature.
        guard let token, token.count >= 1 + 8 + 16 + 16 + 32, token[0] == 0x80 else {
            throw .invalidToken
        }
        let signed = Array(token.dropLast(32))
        let signature = Digest.hmacSHA256(key: signingKey, signed)
        guard Digest.equalInConstantTime(signature, token.suffix(32)),
            let plain = decrypt(Array(signed[25...]), vector: Array(signed[9..<25])),
            let text = String(validating: plain, as: UTF8.self)
        else { throw .invalidToken }
        return Secret(text)
    }

    private static let prefix = "enc::"

    /// AES-128 in CBC mode with PKCS #7 padding; nil when the padding is wrong.
    private func decrypt(_ bytes: [UInt8], vector: [UInt8]) -> [UInt8]? {
        guard bytes.count.isMultiple(of: 16), let context = EVP_CIPHER_CTX_new() else { return nil }
        defer { EVP_CIPHER_CTX_free(context) }
        var plain = [UInt8](repeating: 0, count: bytes.count + 16)
        var count: Int32 = 0
        var rest: Int32 = 0
        guard
            EVP_DecryptInit_ex(context, EVP_aes_128_cbc(), nil, encryptionKey, vector) == 1,
            EVP_DecryptUpdate(context, &plain, &count, bytes, Int32(bytes.count)) == 1,
            plain.withUnsafeMutableBufferPointer({ buffer in
                EVP_DecryptFinal_ex(context, buffer.baseAddress?.advanced(by: Int(count)), &rest)
            }) == 1
        else {
            // The queue belongs to the thread: what stays in it would be read as the error of
            // somebody else's call.
            ERR_clear_error()
            return nil
        }
        return Array(plain[..<Int(count + rest)])
    }
}

extension FieldCipher: CustomStringConvertible, CustomReflectable {
    package var description: String { "<hidden>" }
    package var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
