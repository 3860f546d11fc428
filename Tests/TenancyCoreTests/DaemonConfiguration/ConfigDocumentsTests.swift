import Testing

@testable import DaemonConfiguration
@testable import Support

/// The repository's root, two folders above this one's.
private let root = #filePath.split(separator: "/").dropLast(4).map { "/\($0)" }.joined()

@Suite struct ConfigDocumentsTests {
    @Test("paths and variables are each for one key")
    func unique() {
        let names = ConfigKey.all.flatMap { [$0.variable, $0.fileVariable].compactMap(\.self) }
        #expect(Set(names).count == names.count)
        #expect(Set(ConfigKey.all.map(\.path)).count == ConfigKey.all.count)
    }

    @Test("the example file loads, and has every key with its standard value")
    func example() throws {
        let bytes = try Files.read("\(root)/config.example.json")
        let config = try load(String(decoding: bytes, as: UTF8.self))
        #expect(config.server.tokens.count == 1)
        let document = try JSONValue.parse(bytes)
        for key in ConfigKey.all where key.path != "server.tokens" {
            let value = key.steps.reduce(document as JSONValue?) { $0?[$1] }
            #expect(value == key.standard, "\(key.path)")
        }
    }

    @Test("the documentation's tables are the list of keys, in its order")
    func documentation() throws {
        let bytes = try Files.read("\(root)/docs/configuration.md")
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        let rows = lines.filter { $0.hasPrefix("| `") }.map { line in
            line.split(separator: "|").map { String($0).trimmed }
        }
        #expect(rows.map { $0[0] } == ConfigKey.all.map { "`\($0.path)`" })
        for (row, key) in zip(rows, ConfigKey.all) {
            #expect(row.count == 5 && !row[4].isEmpty, "\(key.path)")
            #expect(row[1] == key.kind.documented + (key.isSecret ? ", secret" : ""))
            #expect(row[2] == "`\(key.standard.renderedString())`")
            #expect(row[3] == "`\(key.variable)`")
        }
    }
}

extension ConfigKey.Kind {
    /// The kind as the documentation's tables say it.
    fileprivate var documented: String {
        switch self {
        case .flag: "true or false"
        case .integer(let range): "integer, \(range.lowerBound) to \(range.upperBound)"
        case .choice(let words):
            words.dropLast().map { "`\($0)`" }.joined(separator: ", ")
                + (words.last.map { " or `\($0)`" } ?? "")
        case .text: "text"
        case .path: "path"
        case .command: "command"
        case .connection: "connection"
        case .template: "template"
        case .schema: "schema"
        case .schemaPrefix: "schema prefix"
        case .encryptionKey: "key"
        case .table: "table"
        case .columns: "columns"
        case .tokens: "tokens"
        case .clients: "clients"
        case .fileMode: "file mode"
        case .texts: "texts"
        case .schemas: "schemas"
        }
    }
}

extension String {
    fileprivate var trimmed: String {
        let rest = drop { $0 == " " }
        guard let end = rest.lastIndex(where: { $0 != " " }) else { return "" }
        return String(rest[...end])
    }
}
