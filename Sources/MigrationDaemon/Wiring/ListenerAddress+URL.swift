internal import HTTPLite

extension ListenerAddress {
    /// What a client is told to call.
    func url(usesTLS: Bool) -> String {
        switch self {
        case .tcp: (usesTLS ? "https" : "http") + "://\(self)"
        case .unix, .inherited: "\(self)"
        }
    }
}
