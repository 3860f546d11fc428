/// A request method (RFC 9110, section 9); names are case-sensitive.
public struct HTTPMethod: Sendable, Hashable, CustomStringConvertible {
    /// The method's name as it stands in the request line, for example `GET`.
    public let name: String

    /// Makes a method of any name; the router answers 501 to those it does not know.
    public init(_ name: String) {
        self.name = name
    }

    public static let get = HTTPMethod("GET")
    public static let head = HTTPMethod("HEAD")
    public static let post = HTTPMethod("POST")
    public static let put = HTTPMethod("PUT")
    public static let delete = HTTPMethod("DELETE")
    public static let patch = HTTPMethod("PATCH")
    public static let options = HTTPMethod("OPTIONS")

    static let connect = HTTPMethod("CONNECT")
    static let trace = HTTPMethod("TRACE")
    static let query = HTTPMethod("QUERY")

    /// The methods of RFC 9110 and RFC 5789, and QUERY, which OpenAPI 3.2 has as well: a wrong one of
    /// these is 405, any other name is 501.
    static let registered: [HTTPMethod] = [
        .get, .head, .post, .put, .delete, .patch, .options, .connect, .trace, .query,
    ]

    public var description: String { name }
}
