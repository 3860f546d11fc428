/// Wraps a handler: authentication, a rate limit, compression.
public protocol HTTPMiddleware: Sendable {
    /// Answers a request itself or passes it to `next`, and may change the response.
    func handle(_ request: HTTPRequest, next: any HTTPHandler) async throws -> HTTPResponse
}

extension HTTPHandler {
    /// This handler inside middleware; the first of the list sees a request first.
    public func wrapped(in middleware: [any HTTPMiddleware]) -> any HTTPHandler {
        middleware.reversed().reduce(self as any HTTPHandler) { Wrapped(outer: $1, inner: $0) }
    }
}

private struct Wrapped: HTTPHandler {
    let outer: any HTTPMiddleware
    let inner: any HTTPHandler

    func handle(_ request: HTTPRequest) async throws -> HTTPResponse {
        try await outer.handle(request, next: inner)
    }

    func bounds(for request: HTTPRequest) -> RouteBounds {
        inner.bounds(for: request)
    }
}
