/// Chooses a handler by method and path.
///
/// An unknown path is 404, a known path with another method 405 with `Allow`, `HEAD` is answered by
/// the path's `GET`, `OPTIONS` by the router itself.
public struct Router: HTTPHandler {
    /// What answers a route.
    public typealias Action = @Sendable (HTTPRequest) async throws -> HTTPResponse

    private struct Route: Sendable {
        let description: RouteDescription
        let parameters: [String]
        let bounds: RouteBounds
        let action: Action
    }

    private enum Resolution {
        case route(Route, [String])
        case options(allow: String)
        case failure(HTTPFailure)
    }

    private var entries: [Route] = []
    private var tree = RouteTree()

    /// Makes a router without routes.
    public init() {}

    /// The routes in the order in which they were added.
    public var routes: [RouteDescription] { entries.map(\.description) }

    /// Adds a route; two for the same method and path are a programmer's error.
    ///
    /// - Parameters:
    ///   - method: the method; `HEAD` and `OPTIONS` come by themselves.
    ///   - pattern: the path; `{name}` stands for one segment.
    ///   - maxBodyBytes: the longest body, nil for the server's limit.
    ///   - timeout: the handler's time until its response, nil for the server's.
    ///   - handler: answers the request.
    public mutating func add(
        _ method: HTTPMethod, _ pattern: String, maxBodyBytes: Int? = nil,
        timeout: Duration? = nil, handler: @escaping Action
    ) {
        let parsed = RoutePattern(pattern)
        tree.insert(parsed, method: method, route: entries.count)
        entries.append(
            Route(
                description: RouteDescription(method: method, pattern: pattern),
                parameters: parsed.segments.compactMap {
                    if case .parameter(let name) = $0 { name } else { nil }
                },
                bounds: RouteBounds(
                    body: .collect(limit: maxBodyBytes),
                    timeout: timeout.map { .after($0) } ?? .standard),
                action: handler))
    }

    public func handle(_ request: HTTPRequest) async throws -> HTTPResponse {
        switch resolve(request) {
        case .route(let route, let values):
            var request = request
            for (name, value) in zip(route.parameters, values) {
                request.pathParameters[name] = value
            }
            return try await route.action(request)
        case .options(let allow):
            return HTTPResponse(status: .noContent, fields: ["Allow": allow])
        case .failure(let failure):
            throw failure
        }
    }

    public func bounds(for request: HTTPRequest) -> RouteBounds {
        guard case .route(let route, _) = resolve(request) else {
            return RouteBounds(body: .ignore)
        }
        return route.bounds
    }

    private func resolve(_ request: HTTPRequest) -> Resolution {
        guard HTTPMethod.registered.contains(request.method) else {
            return .failure(
                HTTPFailure(
                    .unknownMethod, "this method is not known here", rfc: "RFC 9110, 9.1"))
        }
        if request.path == "*" {
            return .options(allow: allow(Set(entries.map(\.description.method))))
        }
        guard let match = tree.match(request.path) else {
            return .failure(HTTPFailure(.notFound, "no resource has this path"))
        }
        let method = request.method
        if let index = match.routes[method] ?? (method == .head ? match.routes[.get] : nil) {
            return .route(entries[index], match.values)
        }
        let allowed = allow(Set(match.routes.methods))
        if method == .options { return .options(allow: allowed) }
        return .failure(
            HTTPFailure(
                .methodNotAllowed, "this path does not serve this method",
                rfc: "RFC 9110, 15.5.6", fields: ["Allow": allowed]))
    }

    private func allow(_ methods: Set<HTTPMethod>) -> String {
        var methods = methods.union([.options])
        if methods.contains(.get) { methods.insert(.head) }
        return methods.map(\.name).sorted().joined(separator: ", ")
    }
}

/// A route as documentation and tests see it.
public struct RouteDescription: Sendable, Hashable {
    /// The method.
    public let method: HTTPMethod
    /// The pattern as it was added.
    public let pattern: String
}
