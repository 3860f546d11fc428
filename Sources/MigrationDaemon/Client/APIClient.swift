internal import FoundationEssentials
internal import HTTPLite
internal import PostgresClient
internal import Support

/// Why one request has no good answer.
struct APIFailure: Error, Sendable {
    let failure: CommandFailure
    /// Whether the same request may succeed a little later: nobody answered, or the daemon cannot
    /// serve now.
    var isTransient = false
    /// What the answer asks to wait.
    var retryAfter: Duration?
}

/// Talks to a daemon for the client commands.
struct APIClient: Sendable {
    private let client: HTTPClient
    private let token: Secret?

    /// A client of the daemon at `http://HOST:PORT` or `https://HOST:PORT`, with its bearer token.
    init(address: String, token: Secret?) throws(CommandFailure) {
        guard let origin = HTTPOrigin(address) else {
            throw CommandFailure(
                .usage,
                "The daemon's address must look like http://HOST:PORT or https://HOST:PORT, without a path."
            )
        }
        do throws(TLSError) {
            client = try HTTPClient(origin: origin)
        } catch {
            throw CommandFailure(.usage, lines: ["\(error)"])
        }
        self.token = token
    }

    /// The body of a good answer to a call; the path has its query. A refusal becomes a failure that
    /// says what the problem says, and so does an answer that does not come within the seconds given.
    func send(
        _ method: String, _ path: String, body: JSONValue? = nil,
        fields: [String: String] = [:], within seconds: Int = 30
    ) async throws(CommandFailure) -> JSONValue {
        do throws(APIFailure) {
            return try await attempt(method, path, body: body, fields: fields, within: seconds)
        } catch {
            throw error.failure
        }
    }

    /// The same, for a caller who may try again.
    func attempt(
        _ method: String, _ path: String, body: JSONValue? = nil,
        fields: [String: String] = [:], within seconds: Int = 30
    ) async throws(APIFailure) -> JSONValue {
        var request = HTTPClient.Request(HTTPMethod(method), path)
        request.fields["Accept"] = "application/json"
        for (name, value) in fields { request.fields[name] = value }
        request.fields["Authorization"] = authorization
        if let body {
            request.fields["Content-Type"] = "application/json"
            request.body = body.rendered()
        }
        let response: HTTPClient.Response
        do throws(HTTPClientError) {
            response = try await client.send(request, within: .seconds(seconds))
        } catch {
            throw APIFailure(
                failure: CommandFailure(
                    .unreachable, lines: ["No answer from \(client.origin.authority): \(error)."]),
                isTransient: Self.isTransient(error))
        }
        return try value(of: response)
    }

    /// The token; without one, what the address says for a proxy before the daemon.
    private var authorization: String? {
        if let token { return "Bearer \(token.reveal())" }
        return client.origin.userInfo.map { "Basic \(Data($0.utf8).base64EncodedString())" }
    }

    /// Percent-escapes one segment of a path or one value of a query.
    static func escaped(_ text: String) -> String {
        text.utf8.reduce(into: "") { escaped, byte in
            if unreserved.contains(byte) {
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                escaped += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
    }

    /// RFC 3986, 2.3.
    private static let unreserved = Set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)

    private func value(of response: HTTPClient.Response) throws(APIFailure) -> JSONValue {
        let status = response.status
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(response.body)
        } catch {
            // A proxy answers for a daemon that is not there with a page of its own.
            throw APIFailure(
                failure: CommandFailure(
                    .unreachable,
                    "\(client.origin.authority) answered \(status), but not with JSON."),
                isTransient: Self.isTransient(status: status))
        }
        if (200...299).contains(status) { return value }
        let seconds = response.fields["Retry-After"].flatMap { Int($0) }
        throw APIFailure(
            failure: Self.failure(status, value), isTransient: Self.isTransient(status: status),
            retryAfter: seconds.map { .seconds($0) })
    }

    /// Too many requests, and what a proxy or a daemon says that cannot serve now.
    static func isTransient(status: Int) -> Bool { [429, 502, 503, 504].contains(status) }

    /// Everything that a network, a restart or a failover may do; not a wrong address, and not a
    /// certificate that will be as wrong the next time.
    static func isTransient(_ error: HTTPClientError) -> Bool {
        switch error {
        case .unresolved, .unreachable, .broken, .timedOut, .handshake, .malformed: true
        case .untrusted, .invalidRequest, .cancelled: false
        }
    }

    /// A problem document as a sentence, with a line for each thing that is wrong.
    static func failure(_ status: Int, _ problem: JSONValue) -> CommandFailure {
        let title = problem["title"]?.stringValue ?? "The daemon answered \(status)"
        let items = problem["errors"]?.arrayValue ?? []
        let details = items.map { item in
            "  \(item["pointer"]?.stringValue ?? ""): \(item["detail"]?.stringValue ?? "")"
        }
        let rest = items.isEmpty ? [problem["detail"]?.stringValue ?? ""] : []
        let isTheirs = status >= 500 || status == 429
        return CommandFailure(
            isTheirs ? .unreachable : .usage,
            lines: ["\(title) (\(problem["code"]?.stringValue ?? "\(status)"))."] + details + rest)
    }
}
