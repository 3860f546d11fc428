/// The routes by path; a literal segment wins over a parameter.
struct RouteTree: Sendable {
    /// The routes of one path: a handful, so a list is faster than a table.
    struct Routes: Sendable, Equatable {
        private(set) var methods: [HTTPMethod] = []
        private var numbers: [Int] = []

        var isEmpty: Bool { methods.isEmpty }

        subscript(method: HTTPMethod) -> Int? {
            methods.firstIndex(of: method).map { numbers[$0] }
        }

        mutating func insert(_ method: HTTPMethod, _ number: Int) {
            precondition(self[method] == nil, "a method and path have two routes")
            methods.append(method)
            numbers.append(number)
        }
    }

    /// What is known of a path.
    struct Match: Equatable {
        let routes: Routes
        /// The segments that stood for parameters, in order.
        let values: [String]
    }

    private struct Node: Sendable {
        var literals: [String: Int] = [:]
        var parameter: Int?
        /// Empty where the path is only the beginning of others.
        var routes = Routes()
    }

    private var nodes = [Node()]
    /// The nodes of patterns without parameters: most requests need one look here.
    private var wholePaths: [String: Int] = [:]

    /// Adds a route.
    mutating func insert(_ pattern: RoutePattern, method: HTTPMethod, route: Int) {
        var node = 0
        for segment in pattern.segments {
            node = child(of: node, for: segment)
        }
        nodes[node].routes.insert(method, route)
        if let path = pattern.literalPath { wholePaths[path] = node }
    }

    /// Finds the routes of a path as it was sent; nil if no pattern matches.
    func match(_ path: String) -> Match? {
        if let node = wholePaths[path] { return Match(routes: nodes[node].routes, values: []) }
        guard let segments = Self.segments(of: path) else { return nil }
        var values: [String] = []
        return search(segments[...], from: 0, &values)
    }

    private func search(
        _ segments: ArraySlice<String>, from node: Int, _ values: inout [String]
    ) -> Match? {
        guard let segment = segments.first else {
            return nodes[node].routes.isEmpty
                ? nil : Match(routes: nodes[node].routes, values: values)
        }
        if let next = nodes[node].literals[segment],
            let found = search(segments.dropFirst(), from: next, &values)
        {
            return found
        }
        guard let next = nodes[node].parameter, !segment.isEmpty else { return nil }
        values.append(segment)
        if let found = search(segments.dropFirst(), from: next, &values) { return found }
        values.removeLast()
        return nil
    }

    private mutating func child(of node: Int, for segment: RoutePattern.Segment) -> Int {
        let existing =
            switch segment {
            case .literal(let text): nodes[node].literals[text]
            case .parameter: nodes[node].parameter
            }
        if let existing { return existing }
        nodes.append(Node())
        switch segment {
        case .literal(let text): nodes[node].literals[text] = nodes.count - 1
        case .parameter: nodes[node].parameter = nodes.count - 1
        }
        return nodes.count - 1
    }

    /// The decoded segments of a path; nil if its escapes are broken.
    private static func segments(of path: String) -> [String]? {
        let parts = path.utf8.dropFirst().split(
            separator: ASCII.slash, omittingEmptySubsequences: false)
        var segments: [String] = []
        segments.reserveCapacity(parts.count)
        for part in parts {
            if part.contains(ASCII.percent) {
                guard let decoded = PercentCoding.decode(part) else { return nil }
                segments.append(decoded)
            } else {
                segments.append(String(Substring(part)))
            }
        }
        return segments
    }
}
