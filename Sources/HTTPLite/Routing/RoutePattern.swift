/// A route's path such as `/v1/jobs/{id}/tenants`, taken apart.
struct RoutePattern: Sendable, Equatable {
    enum Segment: Sendable, Equatable {
        case literal(String)
        case parameter(String)
    }

    let segments: [Segment]
    /// The path itself, where no parameter stands in it.
    let literalPath: String?

    /// Takes a pattern apart.
    ///
    /// - Parameter text: begins with `/`; `{name}` stands for one segment that is not empty.
    init(_ text: String) {
        precondition(text.utf8.first == ASCII.slash, "a route's pattern begins with a slash")
        let segments: [Segment] = text.utf8.dropFirst().split(
            separator: ASCII.slash, omittingEmptySubsequences: false
        ).map { part in
            let isParameter = part.first == UInt8(ascii: "{") && part.last == UInt8(ascii: "}")
            let name = Substring(isParameter ? part.dropFirst().dropLast() : part)
            return isParameter ? .parameter(String(name)) : .literal(String(name))
        }
        self.segments = segments
        let isLiteral = segments.allSatisfy { if case .literal = $0 { true } else { false } }
        literalPath = isLiteral ? text : nil
    }
}
