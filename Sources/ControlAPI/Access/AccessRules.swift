package import JobModel

/// Who may call, and as whom. A daemon with neither tokens nor certificates asks nobody who they are.
package struct AccessRules: Sendable, Equatable {
    /// What callers are known by: the token itself is not kept.
    package struct Token: Sendable, Equatable {
        package let name: String
        package let role: Role
        /// The 32 bytes of the token's SHA-256.
        package let sha256: [UInt8]

        package init(name: String, role: Role, sha256: [UInt8]) {
            self.name = name
            self.role = role
            self.sha256 = sha256
        }
    }

    /// What the owner of a client certificate is known by.
    package struct Certificate: Sendable, Equatable {
        /// The certificate's subject as RFC 2253 writes it: `CN=ci,O=acme`.
        package let subject: String
        package let name: String
        package let role: Role

        package init(subject: String, name: String, role: Role) {
            self.subject = subject
            self.name = name
            self.role = role
        }
    }

    package var tokens: [Token]
    package var certificates: [Certificate]
    /// The address that the daemon listens on, as configured.
    package var host: String
    /// Whether `/metrics` is for everybody.
    package var hasOpenMetrics: Bool

    package init(
        tokens: [Token], certificates: [Certificate], host: String, hasOpenMetrics: Bool
    ) {
        self.tokens = tokens
        self.certificates = certificates
        self.host = host
        self.hasOpenMetrics = hasOpenMetrics
    }
}
