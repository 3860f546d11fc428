/// Why a request has no answer.
public enum HTTPClientError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The host's name has no address; the reason is getaddrinfo(3)'s.
    case unresolved(reason: String)
    /// No address of the host accepts a connection; the reason is the last one's.
    case unreachable(reason: String)
    /// The connection broke.
    case broken(reason: String)
    /// The answer was not complete in time.
    case timedOut
    /// The server's certificate is not to be believed.
    case untrusted(reason: String)
    /// TLS could not be agreed on.
    case handshake(reason: String)
    /// What came is no HTTP/1.1 answer, or a longer one than is read.
    case malformed(reason: String)
    /// The request itself cannot be written.
    case invalidRequest(reason: String)
    /// The task was cancelled.
    case cancelled

    public var description: String {
        switch self {
        case .unresolved(let reason): "the host's name is not found: \(reason)"
        case .unreachable(let reason): reason
        case .broken(let reason): "the connection broke: \(reason)"
        case .timedOut: "no answer came in time"
        case .untrusted(let reason): "the server's certificate is not trusted: \(reason)"
        case .handshake(let reason): "TLS was not agreed on: \(reason)"
        case .malformed(let reason): reason
        case .invalidRequest(let reason): reason
        case .cancelled: "the request was cancelled"
        }
    }
}
