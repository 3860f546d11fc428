/// What tenants are read from: a table or view, or a query in parentheses.
package enum RegistryTable: Sendable, Equatable {
    /// A table or view, with its schema where `search_path` does not find it.
    case table(schema: String?, name: String)
    /// A query, without its parentheses. It is the operator's own SQL and is run as it stands.
    case query(String)

    /// Reads `tenants`, `app.tenants` or `(SELECT ...)`; nil for anything else.
    package init?(_ text: String) {
        if text.hasPrefix("("), text.hasSuffix(")") {
            self = .query(String(text.dropFirst().dropLast()))
            return
        }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, parts.allSatisfy({ (1...63).contains($0.utf8.count) }),
            let name = parts.last
        else { return nil }
        self = .table(schema: parts.count == 2 ? parts[0] : nil, name: name)
    }

    /// What stands after `FROM`, under the name `registry`.
    package var fromClause: String {
        switch self {
        // The line break ends a comment that the query may end with.
        case .query(let text): "(\(text)\n) AS registry"
        case .table(let schema?, let name):
            "\(Self.quoted(schema)).\(Self.quoted(name)) AS registry"
        case .table(nil, let name): "\(Self.quoted(name)) AS registry"
        }
    }

    /// Any name as SQL takes it (PostgreSQL manual, "Identifiers and Key Words").
    package static func quoted(_ name: String) -> String {
        var text = "\""
        for scalar in name.unicodeScalars {
            text.unicodeScalars.append(scalar)
            if scalar == "\"" { text.unicodeScalars.append(scalar) }
        }
        return text + "\""
    }
}
