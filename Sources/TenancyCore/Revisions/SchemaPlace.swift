/// Where the name of a tenant's schema goes in a statement, for migrations that name it.
///
/// Two characters of the private use area stand for it, so that no text of a migration can be
/// taken for one: what a migration holds of them itself is refused when it is read.
enum SchemaPlace {
    /// As an identifier, quoted.
    static let identifier: Unicode.Scalar = "\u{F8F0}"
    /// The bare name, inside a string or a quoted identifier.
    static let bare: Unicode.Scalar = "\u{F8F1}"

    static func isIn(_ statement: SQLStatement) -> Bool { isIn(statement.text) }

    static func isIn(_ text: String) -> Bool {
        text.unicodeScalars.contains { $0 == identifier || $0 == bare }
    }

    /// The text with the name put in. A schema's name holds nothing that could end a string or an
    /// identifier.
    static func fill(_ text: String, with schema: SchemaName) -> String {
        var filled = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case identifier: filled += schema.quoted
            case bare: filled += schema.text
            default: filled.unicodeScalars.append(scalar)
            }
        }
        return filled
    }
}

extension SQLStatement {
    /// The statement with `:tenant_schema`, as psql would name a variable, where a tenant's schema
    /// goes.
    public var textForPeople: String {
        guard SchemaPlace.isIn(self) else { return text }
        return text.replacing(String(SchemaPlace.identifier), with: ":\"tenant_schema\"")
            .replacing(String(SchemaPlace.bare), with: ":tenant_schema")
    }
}

extension StepScript {
    /// The script for a target with that schema, or without one.
    func placed(in schema: SchemaName?) -> StepScript {
        guard let schema else {
            return passagesWithoutSchema.map { StepScript(passages: $0) } ?? self
        }
        guard namesSchema else { return self }
        return StepScript(
            passages: passages.map { passage in
                Passage(
                    statements: passage.statements.map {
                        SQLStatement(text: SchemaPlace.fill($0.text, with: schema), line: $0.line)
                    }, isTransactional: passage.isTransactional)
            })
    }
}
