/// What a verified client certificate says of its owner.
public struct ClientCertificate: Sendable, Equatable {
    /// The whole subject as RFC 2253 writes it, for example `CN=ci,O=acme`.
    public let subject: String
    /// The common name, where there is exactly one.
    public let commonName: String?

    init(subject: String, commonName: String?) {
        self.subject = subject
        self.commonName = commonName
    }
}
