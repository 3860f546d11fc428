package import JobModel

/// Who may call, and as whom. A daemon with neither tokens nor certificates asks nobody who they are.
package struct AccessRules: Sendable, Equatable {
    package var tokens: [AccessToken]
    package var certificates: [CertificateOwner]
    /// The address that the daemon listens on, as configured.
    package var host: String
    /// Whether `/metrics` is for everybody.
    package var hasOpenMetrics: Bool

    package init(
        tokens: [AccessToken], certificates: [CertificateOwner], host: String, hasOpenMetrics: Bool
    ) {
        self.tokens = tokens
        self.certificates = certificates
        self.host = host
        self.hasOpenMetrics = hasOpenMetrics
    }
}
