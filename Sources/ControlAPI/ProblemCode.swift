/// The codes of problem documents. A code stands for one status; clients decide on it, never on text.
enum ProblemCode: String, CaseIterable, Sendable {
    case badRequest = "bad_request"
    case invalidJSON = "invalid_json"
    case invalidRequest = "invalid_request"
    case unauthorized
    case forbidden
    case notFound = "not_found"
    case methodNotAllowed = "method_not_allowed"
    case notAcceptable = "not_acceptable"
    case requestTimeout = "request_timeout"
    case conflict
    case idempotencyMismatch = "idempotency_mismatch"
    case payloadTooLarge = "payload_too_large"
    case uriTooLong = "uri_too_long"
    case unsupportedMediaType = "unsupported_media_type"
    case expectationFailed = "expectation_failed"
    case tooManyRequests = "too_many_requests"
    case headerFieldsTooLarge = "header_fields_too_large"
    case `internal`
    case notImplemented = "not_implemented"
    case unavailable
    case versionNotSupported = "http_version_not_supported"

    var status: Int { meaning.status }

    /// The short sentence that is the same for every problem of this code (RFC 9457, section 3.1.3).
    var title: String { meaning.title }

    private var meaning: (status: Int, title: String) {
        switch self {
        case .badRequest: (400, "The request is malformed")
        case .invalidJSON: (400, "The body is not JSON")
        case .unauthorized: (401, "A valid token is required")
        case .forbidden: (403, "This caller may not do that")
        case .notFound: (404, "Not found")
        case .methodNotAllowed: (405, "The method is not allowed here")
        case .notAcceptable: (406, "No representation matches the Accept field")
        case .requestTimeout: (408, "The request did not arrive in time")
        case .conflict: (409, "The current state does not allow it")
        case .payloadTooLarge: (413, "The body is too large")
        case .uriTooLong: (414, "The URI is too long")
        case .unsupportedMediaType: (415, "The body has the wrong media type")
        case .expectationFailed: (417, "The expectation cannot be met")
        case .invalidRequest: (422, "The request is not valid")
        case .idempotencyMismatch: (422, "The idempotency key belongs to another request")
        case .tooManyRequests: (429, "Too many requests")
        case .headerFieldsTooLarge: (431, "The header fields are too large")
        case .internal: (500, "Internal error of the daemon")
        case .notImplemented: (501, "The server does not know this method or coding")
        case .unavailable: (503, "A required service is unavailable")
        case .versionNotSupported: (505, "The HTTP version is not supported")
        }
    }
}
