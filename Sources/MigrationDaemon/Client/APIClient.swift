internal import Foundation
internal import FoundationNetworking
internal import TenancyCore

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
    private let base: URL
    private let token: Secret?

    /// A client of the daemon at `http://HOST:PORT` or `https://HOST:PORT`, with its bearer token.
    init(address: String, token: Secret?) throws(CommandFailure) {
        guard let url = URL(string: address), let scheme = url.scheme,
            ["http", "https"].contains(scheme), url.host?.isEmpty == false
        else {
            throw CommandFailure(.usage, "The daemon's address must look like http://HOST:PORT.")
        }
        base = url
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
        guard let url = URL(string: path, relativeTo: base) else {
            throw APIFailure(
                failure: CommandFailure(.usage, lines: ["The address \(path) cannot be written."]))
        }
        var request = URLRequest(url: url, timeoutInterval: TimeInterval(seconds))
        request.httpMethod = method
        request.setValue("application/json", forHTTPHeaderField: "Accept")
        for (name, value) in fields { request.setValue(value, forHTTPHeaderField: name) }
        if let token {
            request.setValue("Bearer \(token.reveal())", forHTTPHeaderField: "Authorization")
        }
        if let body {
            request.setValue("application/json", forHTTPHeaderField: "Content-Type")
            request.httpBody = Data(body.rendered())
        }
        return try await answer(to: request)
    }

    /// Percent-escapes one segment of a path or one value of a query.
    static func escaped(_ text: String) -> String {
        let plain = CharacterSet(
            charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return text.addingPercentEncoding(withAllowedCharacters: plain) ?? ""
    }

    /// Host and port, for messages; the rest of the address may hold a password.
    private var place: String {
        "\(base.host ?? "")\(base.port.map { ":\($0)" } ?? "")"
    }

    private func answer(to request: URLRequest) async throws(APIFailure) -> JSONValue {
        let answer: (data: Data, response: URLResponse)
        do {
            answer = try await URLSession.shared.data(for: request)
        } catch {
            let reason = (error as? URLError).map { "\($0.localizedDescription)" } ?? "\(error)"
            throw APIFailure(
                failure: CommandFailure(
                    .unreachable, lines: ["No answer from \(place): \(reason)"]),
                isTransient: (error as? URLError).map { Self.isTransient($0.code) } ?? false)
        }
        let response = answer.response as? HTTPURLResponse
        let status = response?.statusCode ?? 0
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(Array(answer.data))
        } catch {
            // A proxy answers for a daemon that is not there with a page of its own.
            throw APIFailure(
                failure: CommandFailure(
                    .unreachable, "\(place) answered \(status), but not with JSON."),
                isTransient: Self.isTransient(status: status))
        }
        if (200...299).contains(status) { return value }
        let seconds = response?.value(forHTTPHeaderField: "Retry-After").flatMap { Int($0) }
        throw APIFailure(
            failure: Self.failure(status, value), isTransient: Self.isTransient(status: status),
            retryAfter: seconds.map { .seconds($0) })
    }

    /// Too many requests, and what a proxy or a daemon says that cannot serve now.
    static func isTransient(status: Int) -> Bool { [429, 502, 503, 504].contains(status) }

    /// Everything that a network, a restart or a failover may do; not a wrong address, and not a
    /// certificate that will be as wrong the next time.
    static func isTransient(_ code: URLError.Code) -> Bool {
        switch code {
        case .badURL, .unsupportedURL, .httpTooManyRedirects, .redirectToNonExistentLocation,
            .userAuthenticationRequired, .serverCertificateUntrusted, .serverCertificateHasBadDate,
            .serverCertificateHasUnknownRoot, .serverCertificateNotYetValid,
            .clientCertificateRejected, .clientCertificateRequired:
            false
        default: true
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
