/// Everything the server knows of a request once its header section is read.
///
/// A class, so that a request costs one reference wherever it goes.
final class RequestHead: Sendable, Equatable {
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

    init(
        method: HTTPMethod, target: RequestTarget, fields: HTTPFields, isHTTP10: Bool,
        framing: Framing, keepsAlive: Bool, expectsContinue: Bool
    ) {
        self.method = method
        self.target = target
        self.fields = fields
        self.isHTTP10 = isHTTP10
        self.framing = framing
        self.keepsAlive = keepsAlive
        self.expectsContinue = expectsContinue
    }

    static func == (left: RequestHead, right: RequestHead) -> Bool {
        left.method == right.method && left.target == right.target && left.fields == right.fields
            && left.isHTTP10 == right.isHTTP10 && left.framing == right.framing
            && left.keepsAlive == right.keepsAlive
            && left.expectsContinue == right.expectsContinue
    }
}
