/// The routes by segment; a literal wins over a parameter at each level.
struct RouteTree: Sendable {
    private struct Node: Sendable {
        var literals: [String: Int] = [:]
        var parameter: Int?
        /// Route numbers by method; empty where the path is only the beginning of others.
        var routes: [HTTPMethod: Int] = [:]
    }

    /// What is known of a path.
    struct Match: Equatable {
        /// Route numbers by method.
        let routes: [HTTPMethod: Int]
        /// The segments that stood for parameters, in order.
        let values: [String]
    }

    private var nodes = [Node()]

    /// Adds a route.
    mutating func insert(_ pattern: RoutePattern, method: HTTPMethod, route: Int) {
        var node = 0
        for segment in pattern.segments {
            node = child(of: node, for: segment)
        }
        precondition(nodes[node].routes[method] == nil, "a method and path have two routes")
        nodes[node].routes[method] = route
    }

    /// Finds the path's routes; nil if no pattern matches.
    func match(_ segments: [String]) -> Match? {
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
}
