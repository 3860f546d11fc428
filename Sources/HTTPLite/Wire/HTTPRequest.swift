/// One request as a handler sees it: checked, with its body collected.
public struct HTTPRequest: Sendable {
    /// The method.
    public var method: HTTPMethod { head.method }
    /// The path as it was sent, percent-encoded; `*` for `OPTIONS *`.
    ///
    /// Its syntax is proven: whole escapes, UTF-8, no NUL, no dot segments. The router splits it
    /// and decodes each segment once, so an encoded `/` stays inside its segment.
    public var path: String { head.target.path }
    /// The query's parameters, decoded.
    public var query: HTTPQuery { head.target.query }
    /// The header fields.
    public var fields: HTTPFields { head.fields }
    /// The authority that the client meant: of an absolute target, else of `Host`.
    public var authority: String { head.target.authority ?? fields["host"] ?? "" }
    /// The client's address without its port, `unix` for a Unix socket.
    public let peer: String
    /// The client's certificate, where TLS asked for one and it was verified.
    public let clientCertificate: ClientCertificate?
    /// The body, up to the route's limit; empty where the route ignores it.
    public internal(set) var body: [UInt8]
    /// The values of the route's `{name}` segments, decoded.
    public internal(set) var pathParameters: [String: String]
    /// The caller's `X-Request-Id`, or one made for it.
    public let requestID: String

    private let head: RequestHead

    init(
        head: RequestHead, peer: String, clientCertificate: ClientCertificate? = nil,
        requestID: String
    ) {
        self.head = head
        self.peer = peer
        self.clientCertificate = clientCertificate
        self.requestID = requestID
        self.body = []
        self.pathParameters = [:]
    }

    /// A value of the path as a number or another type made from text.
    ///
    /// - Throws: `HTTPFailure` with 404 when the segment is not such a value: no resource has it.
    public func pathParameter<Value: LosslessStringConvertible>(
        _ name: String, as type: Value.Type = Value.self
    ) throws(HTTPFailure) -> Value {
        guard let text = pathParameters[name], let value = Value(text) else {
            throw HTTPFailure(.notFound, "no resource has this path")
        }
        return value
    }
}
