/// What a handler answers.
public struct HTTPResponse: Sendable {
    /// The status.
    public var status: HTTPStatus
    /// The header fields; `Content-Length`, `Transfer-Encoding`, `Date` and `X-Request-Id` are the
    /// server's and are left out of these. `Connection: close` is honoured.
    public var fields: HTTPFields
    /// The body; dropped for `HEAD`, 204 and 304.
    public var body: HTTPBody

    /// Makes a response.
    public init(status: HTTPStatus, fields: HTTPFields = HTTPFields(), body: HTTPBody = .none) {
        self.status = status
        self.fields = fields
        self.body = body
    }
}

/// The body of a response.
public enum HTTPBody: Sendable {
    /// No body; sent as `Content-Length: 0` where a body could be.
    case none
    /// A body whose length is known.
    case bytes([UInt8])
    /// A body written piece by piece, chunked for HTTP/1.1, ended by closing for HTTP/1.0.
    ///
    /// The closure's return ends the body; if it throws, the connection is cut, so that the client
    /// does not take a part for the whole.
    case stream(@Sendable (HTTPBodyWriter) async throws -> Void)
}
