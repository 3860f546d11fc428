/// One condition for running jobs, as `/readyz` shows it.
package struct ReadinessCheck: Sendable, Equatable {
    package let name: String
    package let isReady: Bool
    /// What is wrong, or what there is; never credentials.
    package let detail: String?

    package init(name: String, isReady: Bool, detail: String? = nil) {
        self.name = name
        self.isReady = isReady
        self.detail = detail
    }
}

/// Looks whether jobs could run now.
package protocol ReadinessProbe: Sendable {
    func checks() async -> [ReadinessCheck]
}
