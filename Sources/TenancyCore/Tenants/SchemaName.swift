internal import Support

/// Why a text is not taken for a schema's name.
package enum SchemaNameError: Error, Sendable, Equatable, CustomStringConvertible {
    case empty
    /// PostgreSQL would cut the name, and two tenants could meet in one schema.
    case tooLong(bytes: Int)
    /// Only letters, digits and `_ - . $` are taken.
    case badCharacter
    /// PostgreSQL's own schemas.
    case reserved

    package var description: String {
        switch self {
        case .empty: "is empty"
        case .tooLong(let bytes):
            "has \(bytes) bytes, and PostgreSQL keeps \(SchemaName.byteLimit)"
        case .badCharacter: "has other characters than ASCII letters, digits and _ - . $"
        case .reserved: "is one of PostgreSQL's own"
        }
    }
}

/// A schema's name that can be put into SQL: checked, and quoted where it is used.
///
/// The characters are more than fastapi-tenancy makes, for registries of another origin, and too
/// few for a quote, a space or a look-alike.
package struct SchemaName: Sendable, Hashable, CustomStringConvertible {
    /// NAMEDATALEN less one (PostgreSQL manual, "Identifiers and Key Words").
    static let byteLimit = 63

    /// The name without quotes.
    package let text: String

    /// Checks a name.
    package init(_ text: String) throws(SchemaNameError) {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty else { throw .empty }
        guard bytes.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || "_-.$".utf8.contains($0) })
        else { throw .badCharacter }
        guard bytes.count <= Self.byteLimit else { throw .tooLong(bytes: bytes.count) }
        guard !text.hasPrefix("pg_"), text != "information_schema" else { throw .reserved }
        self.text = text
    }

    /// The name as SQL takes it, in double quotes.
    package var quoted: String { "\"\(text)\"" }

    package var description: String { text }
}
