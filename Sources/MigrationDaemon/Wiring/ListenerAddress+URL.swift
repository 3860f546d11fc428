internal import HTTPLite

extension ListenerAddress {
    /// What a client is told to call.
    var url: String {
        switch self {
        case .tcp: "http://\(self)"
        case .unix, .inherited: "\(self)"
        }
    }
}
