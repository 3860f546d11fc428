/// One thing that is wrong with the configuration.
package struct ConfigIssue: Sendable, Equatable {
    /// The setting as people write it, `server.tokens[0].sha256`; empty for the whole file.
    package let keyPath: String
    /// The environment variable that the value came from; nil for the file.
    package let variable: String?
    /// The value as JSON, cut where it is long; nil for secrets, and where there is none.
    package let found: String?
    /// What is wrong, read after the key: `must be between 1 and 1000`.
    package let expected: String
    /// What to do about it, where that is not plain.
    package let hint: String?

    init(
        _ keyPath: String, _ expected: String, variable: String? = nil, found: String? = nil,
        hint: String? = nil
    ) {
        self.keyPath = keyPath
        self.variable = variable
        self.found = found
        self.expected = expected
        self.hint = hint
    }
}

extension ConfigIssue: CustomStringConvertible {
    package var description: String {
        let place = [keyPath.isEmpty ? nil : keyPath, variable.map { "(from \($0))" }]
        var text = (place.compactMap(\.self) + [expected]).joined(separator: " ")
        if let found { text += ", found \(found)" }
        if let hint { text += "; \(hint)" }
        return text
    }
}

/// Everything that is wrong with the configuration; never empty.
package struct ConfigError: Error, Sendable, Equatable, CustomStringConvertible {
    package let issues: [ConfigIssue]

    /// An issue a line.
    package var description: String { issues.map(\.description).joined(separator: "\n") }
}
