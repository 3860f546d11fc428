/// A request that the server or the router itself refuses, and why.
public struct HTTPFailure: Error, Sendable, Equatable {
    /// The kinds of refusal; each has one status.
    public enum Reason: String, Sendable, CaseIterable {
        case malformedRequest = "malformed_request"
        case malformedTarget = "malformed_target"
        case malformedField = "malformed_field"
        case malformedHost = "malformed_host"
        case ambiguousFraming = "ambiguous_framing"
        case malformedChunk = "malformed_chunk"
        case incompleteBody = "incomplete_body"
        case plainOnTLS = "plain_http_on_tls"
        case notFound = "not_found"
        case methodNotAllowed = "method_not_allowed"
        case notAcceptable = "not_acceptable"
        case requestTimeout = "request_timeout"
        case bodyTooLarge = "payload_too_large"
        case targetTooLong = "uri_too_long"
        case unknownExpectation = "unknown_expectation"
        case tooManyRequests = "too_many_requests"
        case fieldsTooLarge = "fields_too_large"
        case internalError = "internal"
        case unknownMethod = "unknown_method"
        case unknownCoding = "unknown_transfer_coding"
        case overloaded = "unavailable"
        case handlerTimeout = "handler_timeout"
        case unsupportedVersion = "unsupported_http_version"
    }

    /// The kind of refusal.
    public let reason: Reason
    /// One sentence for the client: what is wrong; holds nothing of the request's bytes.
    public let detail: String
    /// The paragraph that asks for the refusal, for example `RFC 9112, 6.1`.
    public let rfc: String?
    /// Fields that the response must carry, for example `Allow` or `Retry-After`.
    public let fields: HTTPFields

    /// Makes a failure.
    public init(
        _ reason: Reason, _ detail: String, rfc: String? = nil, fields: HTTPFields = HTTPFields()
    ) {
        self.reason = reason
        self.detail = detail
        self.rfc = rfc
        self.fields = fields
    }

    /// The status of the response.
    public var status: HTTPStatus {
        switch reason {
        case .malformedRequest, .malformedTarget, .malformedField, .malformedHost,
            .ambiguousFraming, .malformedChunk, .incompleteBody, .plainOnTLS:
            .badRequest
        case .notFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .notAcceptable: .notAcceptable
        case .requestTimeout: .requestTimeout
        case .bodyTooLarge: .contentTooLarge
        case .targetTooLong: .uriTooLong
        case .unknownExpectation: .expectationFailed
        case .tooManyRequests: .tooManyRequests
        case .fieldsTooLarge: .fieldsTooLarge
        case .internalError: .internalServerError
        case .unknownMethod, .unknownCoding: .notImplemented
        case .overloaded, .handlerTimeout: .serviceUnavailable
        case .unsupportedVersion: .versionNotSupported
        }
    }
}

extension HTTPFailure: CustomStringConvertible {
    public var description: String {
        "\(status.code) \(reason.rawValue): \(detail)" + (rfc.map { " (\($0))" } ?? "")
    }
}
