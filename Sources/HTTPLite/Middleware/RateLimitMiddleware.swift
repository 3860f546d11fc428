/// Answers 429 with `Retry-After` to callers that ask too often.
public final class RateLimitMiddleware: HTTPMiddleware {
    private let key: @Sendable (HTTPRequest) -> String?
    private let limiter: Locked<RateLimiter>

    /// Makes a limit.
    ///
    /// - Parameters:
    ///   - requestsPerSecond: the sustained rate of a caller, above zero.
    ///   - burst: how many requests may come at once after an idle period.
    ///   - key: who asks, for example the token's name or the address; nil is not limited.
    public init(
        requestsPerSecond: Double, burst: Int, key: @escaping @Sendable (HTTPRequest) -> String?
    ) {
        limiter = Locked(RateLimiter(requestsPerSecond: requestsPerSecond, burst: burst))
        self.key = key
    }

    public func handle(
        _ request: HTTPRequest, next: any HTTPHandler
    ) async throws -> HTTPResponse {
        if let key = key(request),
            let seconds = limiter.withLock({ $0.admit(key, now: .read()) })
        {
            throw HTTPFailure(
                .tooManyRequests, "too many requests; try again in \(seconds) s",
                rfc: "RFC 6585, 4", fields: ["Retry-After": "\(seconds)"])
        }
        return try await next.handle(request)
    }
}
