internal import Support

/// The header of a SQL migration: `-- key: value` lines before the first section.
struct SQLHeader {
    enum Key: String, CaseIterable {
        case revision
        case downRevision = "down_revision"
        case dependsOn = "depends_on"
        case branchLabels = "branch_labels"
        case message
        case transaction
        case schemaVariable = "schema_variable"
    }

    private(set) var id = ""
    private(set) var downRevisions: [String] = []
    private(set) var dependsOn: [String] = []
    private(set) var branchLabels: [String] = []
    private(set) var message: String?
    private(set) var isTransactional = true
    /// The name that stands for the tenant's schema in statements, see `SchemaVariable`.
    private(set) var schemaVariable: String?
    /// The line of each key that is given.
    private(set) var lines: [Key: Int] = [:]
    private(set) var problems: [(line: Int, code: String, message: String)] = []

    /// Takes a comment line. One that does not look like `key: value` is only a comment.
    mutating func take(_ comment: String, line: Int) {
        guard let colon = comment.firstIndex(of: ":") else { return }
        let name = String(comment[..<colon]).trimmed
        let isKey = !name.isEmpty && name.utf8.allSatisfy(Self.isKeyByte)
        guard isKey else { return }
        guard let key = Key(rawValue: name.lowercased()) else {
            let known = Key.allCases.map(\.rawValue)
            note(
                line, "unknown_header_key",
                "unknown header key '\(name)'; the keys are \(known.joined(separator: ", ")), and "
                    + "other remarks belong below '-- upgrade'"
                    + EditDistance.suffix(for: name.lowercased(), among: known))
            return
        }
        if let first = lines[key] {
            note(
                line, "duplicate_header_key",
                "'\(key.rawValue)' is already given on line \(first); remove one of them")
            return
        }
        lines[key] = line
        set(key, String(comment[comment.index(after: colon)...]).trimmed, line)
    }

    /// To be called after the last line.
    mutating func finish() {
        if lines[.revision] == nil {
            note(
                1, "missing_revision",
                "the header has no '-- revision: ID' line; add it above '-- upgrade'")
        }
    }

    private mutating func set(_ key: Key, _ value: String, _ line: Int) {
        switch key {
        case .revision:
            id = value
            checkID(value, line)
        case .downRevision: downRevisions = list(key, value, line)
        case .dependsOn: dependsOn = list(key, value, line)
        case .branchLabels:
            branchLabels = list(key, value, line)
            for label in branchLabels { checkName(label, "branch label", line, signs: "@:") }
        case .message: message = value.isEmpty ? nil : value
        case .transaction:
            switch value.lowercased() {
            case "on": isTransactional = true
            case "off": isTransactional = false
            default:
                note(
                    line, "invalid_transaction",
                    "transaction is '\(value)'; write 'off' to run every statement on its own, "
                        + "or leave the line out")
            }
        case .schemaVariable:
            if SchemaVariable.isName(value) {
                schemaVariable = value
            } else {
                note(
                    line, "invalid_schema_variable",
                    "schema_variable is '\(value)'; give it a name of lower-case letters, digits "
                        + "and underscores, a letter first")
            }
        }
    }

    private mutating func list(_ key: Key, _ value: String, _ line: Int) -> [String] {
        if value.lowercased() == "none" { return [] }
        let items = value.split(separator: ",", omittingEmptySubsequences: false)
            .map { String($0).trimmed }
        if items.contains("") {
            note(
                line, "empty_header_value",
                "\(key.rawValue) has an empty entry; separate names by single commas, or write "
                    + "'none'")
        }
        var seen: Set<String> = []
        for item in items where !item.isEmpty && !seen.insert(item).inserted {
            note(
                line, "duplicate_entry", "\(key.rawValue) names '\(item)' twice; name it once")
        }
        return items.filter { !$0.isEmpty }
    }

    private mutating func checkID(_ id: String, _ line: Int) {
        if id.isEmpty {
            note(line, "empty_header_value", "the revision id is empty; give the revision an id")
            return
        }
        checkName(id, "revision id", line, signs: "@-+:")
        // Alembic's version_num is VARCHAR(32).
        if id.unicodeScalars.count > 32 {
            note(
                line, "long_revision_id",
                "revision id '\(id)' has \(id.unicodeScalars.count) characters; the version "
                    + "table takes at most 32")
        }
    }

    private mutating func checkName(_ name: String, _ kind: String, _ line: Int, signs: String) {
        if Self.symbols.contains(name.lowercased()) {
            note(
                line, "reserved_name",
                "\(kind) '\(name)' is a word with a meaning of its own in targets; use another")
        }
        let illegal = name.unicodeScalars.filter { scalar in
            signs.unicodeScalars.contains(scalar) || "'\"\\,".unicodeScalars.contains(scalar)
                || scalar.properties.isWhitespace || scalar.properties.generalCategory == .control
        }
        if !illegal.isEmpty {
            let shown = Set(illegal.map { $0 == " " ? "a space" : "\($0.escaped(asASCII: false))" })
            note(
                line, "illegal_\(kind.split(separator: " ").joined(separator: "_"))",
                "\(kind) '\(name)' holds \(shown.sorted().joined(separator: ", ")); use letters, "
                    + "digits and underscores")
        }
    }

    private static let symbols: Set<String> = ["head", "heads", "base", "current", "none"]

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private mutating func note(_ line: Int, _ code: String, _ message: String) {
        problems.append((line, code, message))
    }
}
