internal import JobModel
internal import PostgresClient
internal import Support
internal import Tenants

/// Holds a single value against its key's kind.
enum ConfigCheck {
    /// The value when it may stand there; else nil, and the reader knows why.
    static func read(
        _ key: ConfigKey, _ name: String, _ reader: inout ObjectReader
    ) -> JSONValue? {
        switch key.kind {
        case .flag:
            return reader.bool(name, key.presence).map { .bool($0) }
        case .integer(let range):
            return reader.integer(name, key.presence, in: range).map { JSONValue($0) }
        case .choice(let words):
            return text(key, name, &reader) { words.contains($0) ? nil : oneOf(words, $0) }
        case .text, .path, .command:
            return text(key, name, &reader) { _ in nil }
        case .connection: return text(key, name, &reader, connectionProblem)
        case .template: return text(key, name, &reader, templateProblem)
        case .schema: return text(key, name, &reader, schemaProblem)
        case .schemaPrefix: return text(key, name, &reader, prefixProblem)
        case .encryptionKey: return text(key, name, &reader, keyProblem)
        case .table: return text(key, name, &reader, tableProblem)
        case .texts:
            return reader.strings(name, key.presence, count: 0...100_000, length: 1...255)
                .map { JSONValue($0) }
        case .schemas: return schemas(name, &reader)
        case .columns: return columns(name, &reader)
        case .tokens: return tokens(name, &reader)
        case .clients: return clients(name, &reader)
        case .fileMode: return text(key, name, &reader, modeProblem)
        }
    }

    private static func text(
        _ key: ConfigKey, _ name: String, _ reader: inout ObjectReader,
        _ problem: (String) -> String?
    ) -> JSONValue? {
        guard let text = reader.string(name, key.presence, length: 1...4_096) else { return nil }
        guard let problem = problem(text) else { return .string(text) }
        reader.report(name, problem)
        return nil
    }

    private static func oneOf(_ words: [String], _ text: String) -> String {
        let list = words.map { "\"\($0)\"" }.joined(separator: ", ")
        return "must be one of \(list)" + EditDistance.suffix(for: text, among: words)
    }

    private static func connectionProblem(_ text: String) -> String? {
        do throws(ConnectionStringError) {
            _ = try ConnectionString.parse(Secret(text))
            return nil
        } catch {
            return "\(error)"
        }
    }

    private static func templateProblem(_ text: String) -> String? {
        do throws(TemplateError) {
            let template = try DatabaseURLTemplate(Secret(text))
            // Any tenant shows whether the rest of the URL can be read.
            let sample = template.filled(tenantID: "sample", databaseName: "sample")
            return connectionProblem(sample.reveal())
        } catch {
            return "\(error)"
        }
    }

    private static func schemaProblem(_ text: String) -> String? {
        do throws(SchemaNameError) {
            _ = try SchemaName(text)
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// fastapi-tenancy's own rule for the prefix.
    private static func prefixProblem(_ text: String) -> String? {
        let isValid =
            text.utf8.first.map(\.isASCIILowercase) ?? false
            && text.utf8.allSatisfy {
                $0.isASCIILowercase || $0.isASCIIDigit || $0 == UInt8(ascii: "_")
            }
        return isValid
            ? nil : "must be lower-case letters, digits and underscores, a letter first"
    }

    /// fastapi-tenancy's own rule for the key.
    private static func keyProblem(_ text: String) -> String? {
        text.unicodeScalars.count >= 32 ? nil : "must have at least 32 characters"
    }

    private static func tableProblem(_ text: String) -> String? {
        RegistryTable(text) == nil
            ? "must be a table name, optionally with its schema and a dot,"
                + " or a query in parentheses" : nil
    }

    private static func modeProblem(_ text: String) -> String? {
        let isValid =
            (3...4).contains(text.utf8.count)
            && (UInt32(text, radix: 8).map { $0 <= 0o777 } ?? false)
        return isValid ? nil : "must be permissions as octal digits, \"0660\" for example"
    }

    private static func schemas(_ name: String, _ reader: inout ObjectReader) -> JSONValue? {
        guard let names = reader.strings(name, count: 0...100) else { return nil }
        let problems = names.map(schemaProblem)
        for (index, problem) in problems.enumerated() {
            if let problem { reader.report(name, index: index, problem) }
        }
        return problems.contains { $0 != nil } ? nil : JSONValue(names)
    }

    /// Column names by field; null for a field that the registry does not have.
    private static func columns(_ name: String, _ reader: inout ObjectReader) -> JSONValue? {
        reader.object(name) { reader in
            var columns: JSONObject = [:]
            for field in TenantField.allCases {
                let presence: Presence = field.isOptional ? .nullable : .optional
                if let column = reader.string(field.rawValue, presence, length: 1...63) {
                    columns[field.rawValue] = .string(column)
                } else if reader.isNull(field.rawValue) {
                    columns[field.rawValue] = .null
                }
            }
            return .object(columns)
        }
    }

    private static func tokens(_ name: String, _ reader: inout ObjectReader) -> JSONValue? {
        let tokens = reader.objects(name, count: 0...1_000) { reader -> (String, JSONValue)? in
            let name = reader.string("name", .required, length: 1...64)
            let role = reader.choice("role", .required, of: Role.self)
            let sha256 = reader.string("sha256", .required)
            if let sha256, sha256.utf8.count != 64 || Hex.decode(sha256) == nil {
                reader.report(
                    "sha256", "must be the 64 hexadecimal digits of the token's SHA-256")
            }
            guard let name, let role, let sha256 else { return nil }
            let token: JSONValue = [
                "name": .string(name), "role": .string(role.rawValue), "sha256": .string(sha256),
            ]
            return (name, token)
        }
        guard let tokens else { return nil }
        for (index, token) in tokens.enumerated()
        where tokens[..<index].contains(where: { $0.0 == token.0 }) {
            reader.report(name, index: index, "has the name of another token")
        }
        return .array(tokens.map(\.1))
    }

    private static func clients(_ name: String, _ reader: inout ObjectReader) -> JSONValue? {
        let clients = reader.objects(name, count: 0...1_000) { reader -> (String, JSONValue)? in
            let subject = reader.string("subject", .required, length: 1...1_024)
            let name = reader.string("name", .required, length: 1...64)
            let role = reader.choice("role", .required, of: Role.self)
            guard let subject, let name, let role else { return nil }
            let client: JSONValue = [
                "subject": .string(subject), "name": .string(name), "role": .string(role.rawValue),
            ]
            return (subject, client)
        }
        guard let clients else { return nil }
        for (index, client) in clients.enumerated()
        where clients[..<index].contains(where: { $0.0 == client.0 }) {
            reader.report(name, index: index, "has the subject of another client")
        }
        return .array(clients.map(\.1))
    }
}
