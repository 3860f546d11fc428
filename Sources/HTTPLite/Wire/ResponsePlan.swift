/// How a response is framed.
struct ResponsePlan: Equatable, Sendable {
    enum Framing: Equatable {
        /// The status has no content and no length.
        case none
        case length(Int)
        case chunked
        /// The end of the connection ends the body: for streams to HTTP/1.0 clients.
        case untilClose
    }

    let framing: Framing
    /// False for the answer to HEAD, whose head is that of GET and whose body is left out.
    let hasContent: Bool
    let isHTTP10: Bool
    let keepsAlive: Bool
}
