internal import Support
package import Tenants

/// Where the name of a tenant's schema goes in a statement, for migrations that name it.
///
/// Two characters of the private use area stand for it, so that no text of a migration can be
/// taken for one: what a migration holds of them itself is refused when it is read.
package enum SchemaPlace {
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

/// How a file writes the place of the tenant's schema: `:"NAME"` as an identifier, `:NAME` bare.
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

    /// The text with the variable where it has places.
    func write(_ text: String) -> String {
        text.replacing(String(SchemaPlace.identifier), with: ":\"\(name)\"")
            .replacing(String(SchemaPlace.bare), with: ":\(name)")
    }

    /// The text with places where it has the variable; `::name` is a cast.
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
                result += Array(String(SchemaPlace.identifier).utf8)
                index += quoted.count
            } else if isColon, rest.starts(with: bare),
                rest.dropFirst(bare.count).first.map(Self.isNameByte) != true
            {
                result += Array(String(SchemaPlace.bare).utf8)
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
        SchemaPlace.isIn(self) ? SchemaVariable.standard.write(text) : text
    }
}

extension StepScript {
    /// The script for a target with that schema, or without one.
    package func placed(in schema: SchemaName?) -> StepScript {
        guard let schema else {
            return passagesWithoutSchema.map { with($0) } ?? self
        }
        guard namesSchema else { return self }
        return with(
            passages.map { passage in
                Passage(
                    statements: passage.statements.map {
                        SQLStatement(
                            text: SchemaPlace.fill($0.text, with: schema), line: $0.line,
                            namedType: $0.namedType)
                    }, isTransactional: passage.isTransactional)
            })
    }
}
