/// Answers requests: a router, a middleware with what follows it, or a test's own.
public protocol HTTPHandler: Sendable {
    /// Answers one request.
    ///
    /// Runs as a task on the event loop's thread, so it must not block; it is cancelled when the
    /// client leaves or the deadline passes.
    ///
    /// - Throws: `HTTPFailure` to refuse with its status; anything else becomes 500.
    func handle(_ request: HTTPRequest) async throws -> HTTPResponse

    /// The bounds of a request whose body is not yet read; its `body` is empty.
    func bounds(for request: HTTPRequest) -> RouteBounds
}

extension HTTPHandler {
    public func bounds(for request: HTTPRequest) -> RouteBounds { RouteBounds() }
}

/// What a route allows a request.
public struct RouteBounds: Sendable, Equatable {
    /// What happens to a request's body.
    public enum Body: Sendable, Equatable {
        /// Collected whole; one longer than the limit is 413. Nil: the server's limit.
        case collect(limit: Int?)
        /// Not given to the handler, which starts at once; the body is dropped.
        case ignore
    }

    /// How the handler's time is bounded.
    public enum Timeout: Sendable, Equatable {
        /// The server's `handlerTimeout`.
        case standard
        /// A bound of the route's own, for example for a long poll.
        case after(Duration)
    }

    public var body: Body
    public var timeout: Timeout

    /// Makes bounds, by default the server's.
    public init(body: Body = .collect(limit: nil), timeout: Timeout = .standard) {
        self.body = body
        self.timeout = timeout
    }
}
