/// Everything the server knows of a request once its header section is read.
struct RequestHead: Sendable, Equatable {
    /// How the end of the body is found (RFC 9112, 6.3).
    enum Framing: Sendable, Equatable {
        case none
        case length(Int)
        case chunked
    }

    let method: HTTPMethod
    let target: RequestTarget
    let fields: HTTPFields
    /// Whether the client spoke HTTP/1.0: it knows neither chunks nor interim responses.
    let isHTTP10: Bool
    let framing: Framing
    /// Whether the client lets the connection live after the response (RFC 9112, 9.3).
    let keepsAlive: Bool
    /// Whether the client waits for `100 Continue` before it sends the body.
    let expectsContinue: Bool
}
