internal import HTTPLite
internal import JobModel

/// Header fields of a request that a call looks at.
enum RequestField: String, CaseIterable, Sendable {
    case prefer = "Prefer"
    case ifNoneMatch = "If-None-Match"
    case idempotencyKey = "Idempotency-Key"
    case lastEventID = "Last-Event-ID"
}

/// Whether a call takes a body, and what its schema is called.
enum BodyContract: Sendable, Equatable {
    case none
    /// A JSON object; leaving it out means `{}`.
    case optional(schema: String)
    case required(schema: String)

    var schema: String? {
        switch self {
        case .none: nil
        case .optional(let schema), .required(let schema): schema
        }
    }
}

/// An answer that is not a problem.
struct AnswerContract: Sendable {
    let status: Int
    let summary: String
    /// The name of the body's schema; nil for an answer without a body.
    var schema: String?
    var mediaTypes = [MediaType.json]
    /// Fields that the answer always carries besides `X-Request-Id`.
    var fields: [ResponseField] = []
    /// Fields that it carries at times.
    var optionalFields: [ResponseField] = []
}

/// Header fields of answers.
enum ResponseField: String, CaseIterable, Sendable {
    case requestID = "X-Request-Id"
    case location = "Location"
    case entityTag = "ETag"
    case preferenceApplied = "Preference-Applied"
    case idempotencyReplayed = "Idempotency-Replayed"
    case retryAfter = "Retry-After"
    case allow = "Allow"
    case authenticate = "WWW-Authenticate"
}

/// One call of the API: the row of the route table that the router, the checks in front of every
/// handler, and the API's description are made from.
struct Endpoint: Sendable {
    typealias Handler = @Sendable (APICall, Services) async throws(Problem) -> HTTPResponse

    let method: HTTPMethod
    /// The path with its parameters in braces.
    let path: String
    let access: Access
    /// The operation's name in the API's description.
    let name: String
    let summary: String
    var query: [QueryParameter] = []
    var fields: [RequestField] = []
    var body = BodyContract.none
    let answers: [AnswerContract]
    /// Problems of this call's own, besides those that any call can meet.
    var refusals: [ProblemCode] = []
    /// Whether the answer may be held back for as long as the caller is ready to wait.
    var mayWait = false
    /// Whether it works or reads files for so long that other connections would feel it; it then
    /// leaves the event loop's thread.
    var isHeavy = false
    let handle: Handler

    /// The media types of its good answers, the usual one first.
    var mediaTypes: [MediaType] {
        let types = answers.flatMap { $0.schema == nil ? [] : $0.mediaTypes }
        return types.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
}
