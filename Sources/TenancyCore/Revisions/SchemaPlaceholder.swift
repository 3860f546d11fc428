internal import Support
package import Tenants

/// Stands for the name of a tenant's schema in the statements of migrations that name it.
///
/// The placeholders are two characters of the private use area, which cannot be confused with a
/// migration's own text: a migration that contains them is refused when it is read.
package enum SchemaPlaceholder {
    /// As an identifier, quoted.
    package static let identifier: Unicode.Scalar = "\u{F8F0}"
    /// The bare name, inside a string or a quoted identifier.
    package static let bare: Unicode.Scalar = "\u{F8F1}"

    /// Whether a statement names the tenant's schema.
    package static func isIn(_ statement: SQLStatement) -> Bool { isIn(statement.text) }

    /// Whether a text names the tenant's schema.
    package static func isIn(_ text: String) -> Bool {
        text.unicodeScalars.contains { $0 == identifier || $0 == bare }
    }

    /// The text with the name put in. A schema's name holds nothing that could end a string or an
    /// identifier.
    package static func fill(_ text: String, with schema: SchemaName) -> String {
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

/// How a file writes the placeholder of the tenant's schema: `:"NAME"` as an identifier, `:NAME` bare.
/// NAME is what its header calls the variable. The forms are those of psql's variables; unlike
/// psql's they also count inside strings.
struct SchemaVariable {
    static let standard = SchemaVariable(name: "tenant_schema")

    let name: String

    static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, first.isASCIILetter else { return false }
        return text.utf8.count <= 63 && text.utf8.allSatisfy(isNameByte)
            && text == text.lowercased()
    }

    /// The text with the variable in place of placeholders.
    func write(_ text: String) -> String {
        text.replacing(String(SchemaPlaceholder.identifier), with: ":\"\(name)\"")
            .replacing(String(SchemaPlaceholder.bare), with: ":\(name)")
    }

    /// The text with placeholders in place of the variable; `::name` is a cast.
    func read(_ text: String) -> String {
        let bytes = Array(text.utf8)
        let (quoted, bare) = (Array("\"\(name)\"".utf8), Array(name.utf8))
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            defer { index += 1 }
            let rest = bytes[(index + 1)...]
            let isColon =
                bytes[index] == UInt8(ascii: ":")
                && (index == 0 || bytes[index - 1] != bytes[index])
            if isColon, rest.starts(with: quoted) {
                result += Array(String(SchemaPlaceholder.identifier).utf8)
                index += quoted.count
            } else if isColon, rest.starts(with: bare),
                rest.dropFirst(bare.count).first.map(Self.isNameByte) != true
            {
                result += Array(String(SchemaPlaceholder.bare).utf8)
                index += bare.count
            } else {
                result.append(bytes[index])
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte.isASCIILetter || byte.isASCIIDigit || byte == UInt8(ascii: "_")
    }
}

extension SQLStatement {
    /// The statement with `:tenant_schema`, as psql would name a variable, where a tenant's schema
    /// goes.
    package var textForPeople: String {
        SchemaPlaceholder.isIn(self) ? SchemaVariable.standard.write(text) : text
    }
}

extension StepScript {
    /// The script for a target with that schema, or without one.
    package func placed(in schema: SchemaName?) -> StepScript {
        guard let schema else {
            return batchesWithoutSchema.map { with($0) } ?? self
        }
        guard namesSchema else { return self }
        return with(
            batches.map { batch in
                Batch(
                    statements: batch.statements.map {
                        SQLStatement(
                            text: SchemaPlaceholder.fill($0.text, with: schema), line: $0.line,
                            namedType: $0.namedType)
                    }, isTransactional: batch.isTransactional)
            })
    }
}
