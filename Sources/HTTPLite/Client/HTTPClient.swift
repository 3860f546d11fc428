internal import Glibc

/// Sends requests to one server, each on a connection of its own.
///
/// For commands that ask now and then: no connections are kept, no redirects followed, no proxies
/// asked. Each request has a thread while it lasts, so that nothing blocks the callers' executor.
public struct HTTPClient: Sendable {
    /// A request; `Host`, `Connection` and `Content-Length` are added to its fields.
    public struct Request: Sendable {
        /// The method.
        public var method: HTTPMethod
        /// Path and query, beginning with `/` and percent-encoded.
        public var target: String
        /// The fields.
        public var fields: HTTPFields
        /// The body; nil for none.
        public var body: [UInt8]?

        /// Makes a request.
        public init(
            _ method: HTTPMethod, _ target: String, fields: HTTPFields = HTTPFields(),
            body: [UInt8]? = nil
        ) {
            self.method = method
            self.target = target
            self.fields = fields
            self.body = body
        }
    }

    /// A whole response.
    public struct Response: Sendable {
        /// 200 to 599.
        public let status: Int
        /// The fields.
        public let fields: HTTPFields
        /// The body, its transfer coding undone.
        public let body: [UInt8]
    }

    /// The server.
    public let origin: HTTPOrigin
    /// The largest body that is read, in bytes.
    public let bodyLimit: Int

    private let tls: TLSClientContext?

    /// Makes a client.
    ///
    /// - Parameters:
    ///   - origin: the server.
    ///   - authoritiesFile: authorities in PEM whose certificates are believed; nil for those of this
    ///     machine, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    ///   - bodyLimit: the largest body that is read, in bytes.
    /// - Throws: `TLSError`, for `https` only.
    public init(
        origin: HTTPOrigin, authoritiesFile: String? = nil, bodyLimit: Int = 256 << 20
    ) throws(TLSError) {
        self.origin = origin
        self.bodyLimit = bodyLimit
        tls = origin.isSecure ? try TLSClientContext(authoritiesFile: authoritiesFile) : nil
    }

    /// Sends a request and waits for its whole response.
    ///
    /// - Parameters:
    ///   - request: the request.
    ///   - timeout: for everything from the name's resolution to the body's last byte.
    /// - Returns: the response, whatever its status.
    /// - Throws: `HTTPClientError` if there is none.
    public func send(
        _ request: Request, within timeout: Duration
    ) async throws(HTTPClientError) -> Response {
        let head = try self.head(of: request)
        let exchange = ClientExchange(
            origin: origin, tls: tls, bytes: head + (request.body ?? []),
            parser: ResponseParser(to: request.method, bodyLimit: bodyLimit),
            deadline: .now + timeout)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let code = Thread.start(name: "http-client") {
                    continuation.resume(returning: exchange.perform())
                }
                guard code != 0 else { return }
                let error = SocketError(.thread, origin.authority, code: code)
                continuation.resume(returning: .failure(.unreachable(reason: "\(error)")))
            }
        } onCancel: {
            exchange.cancel()
        }
        return try result.get()
    }

    private func head(of request: Request) throws(HTTPClientError) -> [UInt8] {
        guard request.target.utf8.first == ASCII.slash,
            request.target.utf8.allSatisfy(ASCII.isTarget),
            !request.method.name.isEmpty, request.method.name.utf8.allSatisfy(ASCII.isToken)
        else {
            throw .invalidRequest(
                reason: "the address \(request.target) is not a percent-encoded path")
        }
        var text = "\(request.method) \(request.target) HTTP/1.1\r\nHost: \(origin.authority)\r\n"
        text += "Connection: close\r\n"
        for (name, value) in request.fields.all { text += "\(name): \(value)\r\n" }
        // RFC 9110, 8.6: where a method has a meaning for a body, its absence is said, too.
        if request.body != nil || [.post, .put, .patch].contains(request.method) {
            text += "Content-Length: \(request.body?.count ?? 0)\r\n"
        }
        return Array((text + "\r\n").utf8)
    }
}
