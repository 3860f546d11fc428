internal import HTTPLite
internal import Support

/// The answer to a request that cannot be met: a problem document (RFC 9457).
package struct Problem: Error, Sendable, Equatable {
    /// One thing that is wrong with one part of the request.
    struct Item: Sendable, Equatable, CustomStringConvertible {
        /// A JSON pointer into the body (`/tenants/ids/0`), `?name` for a query parameter,
        /// `Name:` for a header field, `file:line` for a migration file.
        let pointer: String
        let detail: String

        var description: String { pointer.isEmpty ? detail : "\(pointer): \(detail)" }
    }

    let code: ProblemCode
    /// What happened this time and what to do about it; never a URL, password or token.
    let detail: String
    var items: [Item] = []
    /// Further members of the document.
    var extensions = JSONObject()
    /// Header fields that the status asks for: `Allow`, `Retry-After`, `WWW-Authenticate`.
    var fields: [String: String] = [:]

    init(_ code: ProblemCode, _ detail: String) {
        self.code = code
        self.detail = detail
    }

    /// A document lists at most so many things that are wrong, and its detail the first few.
    private static let itemLimit = 100
    private static let detailLimit = 3

    /// A request that is well formed but asks for what cannot be; `omitted` more things are wrong
    /// than `items` says.
    init(invalid items: [Item], omitted: Int = 0) {
        let listed = Array(items.prefix(Self.itemLimit))
        let count = items.count + omitted
        var detail = listed.prefix(Self.detailLimit).map(\.description).joined(separator: "; ")
        if count > Self.detailLimit { detail += "; and \(count - Self.detailLimit) more" }
        if count > listed.count {
            detail += " (\(listed.count) are listed, \(count - listed.count) left out)"
        }
        self.init(.invalidRequest, detail)
        self.items = listed
    }

    /// The same of texts that are wrong for one reason each; what would be left out is not made.
    init<Cause>(invalid causes: [Cause], _ item: (Cause) -> Item) {
        let listed = causes.prefix(Self.itemLimit)
        self.init(invalid: listed.map(item), omitted: causes.count - listed.count)
    }

    /// Something that may work later; `retryAfter` in seconds.
    init(unavailable detail: String, retryAfter: Int) {
        self.init(.unavailable, detail)
        fields["Retry-After"] = String(retryAfter)
    }

    /// The document. `instance` is the path of the request, without its query; nil when there was
    /// no request that could be read.
    func json(instance: String?, requestID: String) -> JSONValue {
        var document: JSONObject = [
            "type": .string("/problems/\(code.rawValue)"), "title": .string(code.title),
            "status": JSONValue(code.status), "detail": .string(detail),
            "instance": JSONValue(instance), "code": .string(code.rawValue),
            "request_id": .string(requestID),
        ]
        if !items.isEmpty {
            document["errors"] = .array(
                items.map { ["pointer": .string($0.pointer), "detail": .string($0.detail)] })
        }
        for member in extensions.members { document[member.key] = member.value }
        return .object(document)
    }

    func response(instance: String?, requestID: String) -> HTTPResponse {
        let body = json(instance: instance, requestID: requestID).rendered()
        var response = HTTPResponse(
            status: HTTPStatus(code.status), fields: ["Content-Type": MediaType.problem.text],
            body: .bytes(body))
        for (name, value) in fields { response.fields[name] = value }
        return response
    }
}
