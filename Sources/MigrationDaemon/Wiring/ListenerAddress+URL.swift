internal import HTTPLite

extension ListenerAddress {
    /// The URL that clients are given.
    func url(usesTLS: Bool) -> String {
        switch self {
        case .tcp: (usesTLS ? "https" : "http") + "://\(self)"
        case .unix, .inherited: "\(self)"
        }
    }
}
