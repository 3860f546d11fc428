/// How a server is set up.
public struct HTTPServerConfiguration: Sendable {
    /// Where it listens.
    public var listeners: [ListenerAddress]
    /// TLS for TCP and inherited listeners; nil for plain HTTP. Unix sockets are always plain.
    public var tls: TLSContext?
    /// Its bounds.
    public var limits: Limits
    /// The `Server` field; nil for none, which tells attackers less.
    public var serverName: String?
    /// Makes the response for what the server refuses and for a handler's error.
    public var renderFailure: @Sendable (HTTPFailure, _ requestID: String) -> HTTPResponse
    /// Makes an id for a request that brings none.
    public var makeRequestID: @Sendable () -> String
    /// Told of every response once its last byte is queued; runs on the loop, so it must be quick.
    public var onAccess: (@Sendable (AccessEntry) -> Void)?
    /// Told of an error that a handler did not turn into a response; the client sees a bare 500.
    public var onUncaught: (@Sendable (any Error, _ requestID: String) -> Void)?

    /// Makes a configuration with the default limits and plain text errors.
    public init(listeners: [ListenerAddress]) {
        self.listeners = listeners
        limits = Limits()
        renderFailure = { failure, _ in
            var fields = failure.fields
            fields["Content-Type"] = "text/plain; charset=utf-8"
            return HTTPResponse(
                status: failure.status, fields: fields,
                body: .bytes(Array("\(failure.detail)\n".utf8)))
        }
        makeRequestID = RequestIDs.make()
    }
}

/// One line of the access log.
public struct AccessEntry: Sendable {
    /// The request's id, as in `X-Request-Id`.
    public let requestID: String
    /// The method; `-` when the request could not be read.
    public let method: String
    /// The path without its query, which may hold secrets; `-` when it could not be read.
    public let path: String
    /// The status of the response; nil when the client left before there was one.
    public let status: HTTPStatus?
    /// Bytes of the response with its head, before TLS.
    public let responseBytes: Int
    /// From the end of the request's head to the end of its response.
    public let duration: Duration
    /// The client's address.
    public let peer: String
    /// Whether the whole response was queued; false when the client left or lagged before.
    public let isComplete: Bool
}

/// Counts of a server since its start.
public struct HTTPServerStats: Sendable, Equatable {
    /// Connections open now.
    public internal(set) var connections = 0
    /// Connections accepted.
    public internal(set) var accepted = 0
    /// Connections closed at accept, because their address had too many.
    public internal(set) var turnedAway = 0
    /// Times that no descriptor was left for a connection.
    public internal(set) var exhausted = 0
    /// Requests that got a response.
    public internal(set) var requests = 0
    /// Handlers running now, with those whose client has left.
    public internal(set) var handlers = 0
}
