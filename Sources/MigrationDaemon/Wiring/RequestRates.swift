internal import ControlAPI
internal import DaemonConfiguration
internal import HTTPLite

/// How often a caller and an address may ask.
enum RequestRates {
    /// The limits as middleware, outermost first: strangers are counted by address before anybody
    /// looks at their token.
    static func middleware(
        _ limits: DaemonConfig.Server.Limits, _ authenticator: Authenticator
    ) -> [any HTTPMiddleware] {
        let byAddress = limit(limits.requestRatePerAddress) { address(of: $0) }
        let byCaller = limit(limits.requestRatePerCaller) { authenticator.callerName(of: $0) }
        return [byAddress, byCaller].compactMap(\.self)
    }

    /// The address to count by; nil for this machine's own, where a proxy speaks for many clients.
    static func address(of request: HTTPRequest) -> String? {
        let peer = request.peer
        return peer == "unix" || peer == "::1" || peer.hasPrefix("127.") ? nil : peer
    }

    /// A limit that lets two seconds' worth through at once; nil for a rate of zero.
    private static func limit(
        _ rate: Int, key: @escaping @Sendable (HTTPRequest) -> String?
    ) -> (any HTTPMiddleware)? {
        guard rate > 0 else { return nil }
        return RateLimitMiddleware(requestsPerSecond: Double(rate), burst: rate * 2, key: key)
    }
}
