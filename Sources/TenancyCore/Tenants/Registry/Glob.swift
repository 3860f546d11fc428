/// Why a text is no glob.
package enum GlobError: Error, Sendable, Equatable, CustomStringConvertible {
    case empty
    case tooLong
    /// U+0000, which PostgreSQL cannot hold.
    case null
    /// `[`: sets are not supported, and a typing error must not select tenants.
    case set
    /// A `\` at the end escapes nothing.
    case trailingBackslash

    package var description: String {
        switch self {
        case .empty: "must not be empty"
        case .tooLong: "must have at most \(Glob.lengthLimit) characters"
        case .null: "must not contain the character U+0000"
        case .set: "must not contain [: only * and ? are special, and \\ escapes them"
        case .trailingBackslash: "must not end with an unescaped \\"
        }
    }
}

/// A pattern for a tenant's identifier: `*` is any text, `?` any one character, `\` takes the next
/// character for itself. Upper and lower case differ.
package struct Glob: Sendable, Hashable, CustomStringConvertible {
    private enum Token: Sendable, Hashable {
        case one(Unicode.Scalar)
        case any
        case anyText
    }

    /// An identifier has at most 255 characters in fastapi-tenancy's table.
    static let lengthLimit = 255

    /// The pattern as it was written.
    package let description: String
    private let tokens: [Token]

    /// Reads a pattern.
    package init(_ pattern: String) throws(GlobError) {
        guard !pattern.isEmpty else { throw .empty }
        guard pattern.unicodeScalars.count <= Self.lengthLimit else { throw .tooLong }
        guard !pattern.utf8.contains(0) else { throw .null }
        var tokens: [Token] = []
        var isEscaped = false
        for scalar in pattern.unicodeScalars {
            switch scalar {
            case _ where isEscaped:
                tokens.append(.one(scalar))
                isEscaped = false
            case "\\": isEscaped = true
            case "[": throw .set
            case "?": tokens.append(.any)
            case "*": if tokens.last != .anyText { tokens.append(.anyText) }
            default: tokens.append(.one(scalar))
            }
        }
        guard !isEscaped else { throw .trailingBackslash }
        self.description = pattern
        self.tokens = tokens
    }

    /// Whether the whole text fits. The time is bounded by the product of both lengths, since
    /// only the last `*` is ever tried again.
    package func matches(_ text: String) -> Bool {
        let scalars = Array(text.unicodeScalars)
        var position = 0
        var token = 0
        var retry: (token: Int, position: Int)?
        while position < scalars.count {
            if token < tokens.count, tokens[token] == .anyText {
                retry = (token + 1, position)
                token += 1
            } else if token < tokens.count, fits(tokens[token], scalars[position]) {
                token += 1
                position += 1
            } else if let last = retry {
                retry = (last.token, last.position + 1)
                token = last.token
                position = last.position + 1
            } else {
                return false
            }
        }
        return tokens[token...].allSatisfy { $0 == .anyText }
    }

    private func fits(_ token: Token, _ scalar: Unicode.Scalar) -> Bool {
        switch token {
        case .one(let expected): expected == scalar
        case .any: true
        case .anyText: false
        }
    }

    /// The same pattern for SQL's `LIKE` with its default escape character, `\`.
    package var likePattern: String {
        var pattern = String.UnicodeScalarView()
        for token in tokens {
            switch token {
            case .any: pattern.append("_")
            case .anyText: pattern.append("%")
            case .one(let scalar):
                if scalar == "%" || scalar == "_" || scalar == "\\" { pattern.append("\\") }
                pattern.append(scalar)
            }
        }
        return String(pattern)
    }
}
