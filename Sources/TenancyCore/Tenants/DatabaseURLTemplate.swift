package import PostgresClient

/// Why a text is no template for tenants' database URLs.
package enum TemplateError: Error, Equatable, CustomStringConvertible {
    /// Every tenant would be sent to the same database.
    case noPlaceholder
    /// Braces around anything else, or a single one.
    case unknownPlaceholder

    package var description: String {
        switch self {
        case .noPlaceholder: "must contain {tenant_id} or {database_name}"
        case .unknownPlaceholder:
            "must have no other braces than {tenant_id} and {database_name}"
                + " (write {{ and }} for braces themselves)"
        }
    }
}

/// A URL with places for a tenant's id and database name, read as Python's `str.format` does.
package struct DatabaseURLTemplate: Sendable {
    private enum Piece: Sendable, Equatable {
        case text(String)
        case tenantID
        case databaseName
    }

    private let pieces: [Piece]

    package init(_ template: Secret) throws(TemplateError) {
        var pieces: [Piece] = []
        var rest = template.reveal()[...]
        while let brace = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
            pieces.append(.text(String(rest[..<brace])))
            let tail = rest[brace...]
            guard let piece = Self.forms.first(where: { tail.hasPrefix($0.form) }) else {
                throw .unknownPlaceholder
            }
            pieces.append(piece.piece)
            rest = tail.dropFirst(piece.form.count)
        }
        pieces.append(.text(String(rest)))
        guard pieces.contains(.tenantID) || pieces.contains(.databaseName) else {
            throw .noPlaceholder
        }
        self.pieces = pieces
    }

    private static let forms: [(form: String, piece: Piece)] = [
        ("{{", .text("{")), ("}}", .text("}")), ("{tenant_id}", .tenantID),
        ("{database_name}", .databaseName),
    ]

    /// Whether the id is a part of the URL.
    var usesTenantID: Bool { pieces.contains(.tenantID) }

    /// Whether the database's name is a part of the URL.
    var usesDatabaseName: Bool { pieces.contains(.databaseName) }

    /// The URL of one tenant. Nothing is escaped, so both must be free of characters that mean
    /// something in a URL.
    package func filled(tenantID: String, databaseName: String) -> Secret {
        Secret(
            pieces.map { piece in
                switch piece {
                case .text(let text): text
                case .tenantID: tenantID
                case .databaseName: databaseName
                }
            }.joined())
    }
}
