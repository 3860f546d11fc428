/// What a caller with a bearer token is known by: the token itself is not kept.
package struct AccessToken: Sendable, Equatable {
    package var name: String
    package var role: Role
    /// The 32 bytes of the token's SHA-256.
    package var sha256: [UInt8]

    package init(name: String, role: Role, sha256: [UInt8]) {
        self.name = name
        self.role = role
        self.sha256 = sha256
    }
}

/// What the owner of a client certificate is known by.
package struct CertificateOwner: Sendable, Equatable {
    /// The certificate's subject as RFC 2253 writes it: `CN=ci,O=acme`.
    package var subject: String
    package var name: String
    package var role: Role

    package init(subject: String, name: String, role: Role) {
        self.subject = subject
        self.name = name
        self.role = role
    }
}
