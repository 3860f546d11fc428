internal import ControlStore
internal import HTTPLite
internal import JobModel
internal import Support

/// A request that has passed the checks in front of its handler.
struct APICall: Sendable {
    let http: HTTPRequest
    let principal: Principal
    /// Whether the caller of an open call is nobody that the daemon knows.
    let isStranger: Bool
    let query: QueryValues
    /// The body, once it has been read; an empty object where it may be left out and was.
    private(set) var body: JSONValue = nil
    /// The media type that fits the Accept field.
    let mediaType: MediaType
    let idempotencyKey: String?

    /// Checks a request against the contract of its endpoint: who calls, the query, the fields and
    /// the wanted media type. Who may not call is refused here, before the body is looked at.
    init(_ http: HTTPRequest, _ endpoint: Endpoint, _ authenticator: Authenticator) throws(Problem)
    {
        self.http = http
        principal = try authenticator.admit(http, endpoint.access)
        isStranger = endpoint.access == .open && !authenticator.knows(http)
        var issues: [Problem.Item] = []
        query = QueryValues(http.query, endpoint.query, issues: &issues)
        idempotencyKey =
            endpoint.fields.contains(.idempotencyKey)
            ? Self.idempotencyKey(http.fields, issues: &issues) : nil
        if !issues.isEmpty { throw Problem(invalid: issues) }
        mediaType = try Self.mediaType(http.fields, endpoint.mediaTypes)
    }

    /// Reads the body: its media type and its syntax.
    mutating func readBody(_ contract: BodyContract) throws(Problem) {
        body = try Self.body(http, contract)
    }

    /// Who asks, for the job and its audit row.
    var caller: Caller {
        Caller(name: principal.name, requestID: http.requestID, peer: http.peer)
    }

    /// Seconds that the caller is ready to wait for a job's end.
    var preferredWait: Int? {
        Preference.wait(http.fields.values(of: RequestField.prefer.rawValue))
    }

    /// The parameter of the path; the router has set it.
    func pathParameter(_ name: String) -> String { http.pathParameters[name] ?? "" }

    /// The job that the path names.
    func jobID() throws(Problem) -> JobID {
        let text = pathParameter("id")
        guard let id = JobID(text) else { throw Problem(noJob: text) }
        return id
    }

    /// Refuses callers below a role, where the path alone does not decide.
    func require(_ role: Role, to action: String) throws(Problem) {
        guard principal.role < role else { return }
        throw Problem(
            .forbidden,
            "To \(action) needs the role \(role.rawValue); this caller has "
                + "\(principal.role.rawValue).")
    }

    private static func idempotencyKey(
        _ fields: HTTPFields, issues: inout [Problem.Item]
    ) -> String? {
        let name = RequestField.idempotencyKey.rawValue
        let values = fields.values(of: name)
        guard let value = values.first else { return nil }
        let isPrintable = value.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        guard values.count == 1, isPrintable, (1...255).contains(value.utf8.count) else {
            issues.append(
                .init(pointer: "\(name):", detail: "must stand once with 1 to 255 ASCII characters")
            )
            return nil
        }
        return value
    }

    private static func mediaType(
        _ fields: HTTPFields, _ offers: [MediaType]
    ) throws(Problem) -> MediaType {
        // A call whose good answer has no body can fit any wish.
        if offers.isEmpty { return .json }
        guard let type = Acceptance(fields.values(of: "Accept")).choose(among: offers) else {
            let list = offers.map(\.text).joined(separator: " or ")
            throw Problem(.notAcceptable, "This call answers with \(list).")
        }
        return type
    }

    private static func body(
        _ http: HTTPRequest, _ contract: BodyContract
    ) throws(Problem) -> JSONValue {
        switch contract {
        case .none:
            return nil
        case .optional where http.body.isEmpty:
            return .object(JSONObject())
        case .optional, .required:
            break
        }
        let types = http.fields.values(of: "Content-Type")
        guard types.count == 1, MediaType.isJSON(types[0]) else {
            throw Problem(
                .unsupportedMediaType, "Send the body as JSON: \"Content-Type: application/json\".")
        }
        do throws(JSONError) {
            return try JSONValue.parse(http.body)
        } catch {
            throw Problem(error)
        }
    }
}
