/// One condition for running jobs, as `/readyz` shows it.
public struct ReadinessCheck: Sendable, Equatable {
    public let name: String
    public let isReady: Bool
    /// What is wrong, or what there is; never credentials.
    public let detail: String?

    public init(name: String, isReady: Bool, detail: String? = nil) {
        self.name = name
        self.isReady = isReady
        self.detail = detail
    }
}

/// Looks whether jobs could run now.
public protocol ReadinessProbe: Sendable {
    func checks() async -> [ReadinessCheck]
}
