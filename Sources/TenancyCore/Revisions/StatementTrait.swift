/// What sets a statement apart when a step is to commit together with its version row.
enum StatementTrait: Equatable {
    /// PostgreSQL refuses it in a transaction block (manual, each command's notes).
    case outsideTransaction(String)
    /// Begins, ends or prepares a transaction, which is the daemon's to do.
    case transactionControl(String)
    /// Changes a setting beyond the end of the transaction; tenants share connections.
    case sessionSetting(String)
    /// Changes how the statements after it are to be read.
    case lexicalSetting(String)
    /// Makes a temporary table that stays on the connection for the next tenant.
    case lastingTemporaryTable

    /// Decides by the statement's words; a statement without a trait has `nil`.
    init?(of statement: SQLStatement) {
        let words = StatementWords(statement.text)
        guard
            let trait = Self.control(words) ?? Self.setting(words) ?? Self.outside(words)
                ?? Self.temporaryTable(words)
        else { return nil }
        self = trait
    }

    private static func control(_ words: StatementWords) -> StatementTrait? {
        switch (words[0], words[1]) {
        case ("begin", _), ("commit", _), ("end", _), ("abort", _), ("start", "transaction"),
            ("prepare", "transaction"):
            .transactionControl(words.shown(words[0] == "start" || words[0] == "prepare" ? 2 : 1))
        // ROLLBACK TO a savepoint stays within the transaction.
        case ("rollback", let next) where next != "to" && words[2] != "to":
            .transactionControl("ROLLBACK")
        default: nil
        }
    }

    private static func setting(_ words: StatementWords) -> StatementTrait? {
        switch (words[0], words[1]) {
        case ("set", "local"):
            words[2] == "standard_conforming_strings" ? .lexicalSetting(words[2]) : nil
        case ("set", "transaction"), ("set", "constraints"): nil
        case ("set", "session"), ("set", "schema"), ("set", "time"), ("set", "names"),
            ("set", _), ("reset", _):
            named(words.settingName)
        case ("select", _): configuredBySelect(words)
        default: nil
        }
    }

    private static func named(_ setting: String) -> StatementTrait {
        setting == "standard_conforming_strings"
            ? .lexicalSetting(setting) : .sessionSetting(setting)
    }

    /// `SELECT set_config('search_path', '', false)`, which pg_dump writes.
    private static func configuredBySelect(_ words: StatementWords) -> StatementTrait? {
        let start = words[1] == "pg_catalog" && words[2] == "." ? 3 : 1
        guard words[start] == "set_config", words[start + 1] == "(" else { return nil }
        let arguments = words.all.drop { $0 != "(" }
        guard let last = arguments.last(where: { $0 != ")" }), last != "true" else { return nil }
        let name = words[start + 2].filter { $0 != "'" }
        return named(name)
    }

    private static func outside(_ words: StatementWords) -> StatementTrait? {
        let needsOwn: Bool =
            switch (words[0], words[1]) {
            case ("vacuum", _), ("alter", "system"), ("discard", "all"), ("create", "database"),
                ("drop", "database"), ("create", "tablespace"), ("drop", "tablespace"):
                true
            case ("create", "index"), ("drop", "index"): words[2] == "concurrently"
            case ("create", "unique"): words[2] == "index" && words[3] == "concurrently"
            case ("reindex", _): reindexesOutside(words)
            case ("cluster", _): words.withoutOptions(from: 1).allSatisfy { $0 == "verbose" }
            case ("alter", "table"): detachesConcurrently(words)
            case ("alter", "database"): words.contains("set", "tablespace")
            case ("create", "subscription"):
                !words.isOff("create_slot") && !words.isOff("connect")
            // Without a slot it could run in a transaction, but that only the catalogue knows.
            case ("drop", "subscription"): true
            case ("alter", "subscription"): refreshesSubscription(words)
            default: false
            }
        return needsOwn ? .outsideTransaction(words.shown(words.outsideLength)) : nil
    }

    private static func reindexesOutside(_ words: StatementWords) -> Bool {
        let rest = words.withoutOptions(from: 1)
        let kind = rest.first ?? ""
        if ["schema", "database", "system"].contains(kind)
            || rest.dropFirst().first == "concurrently"
        {
            return true
        }
        return words[1] == "(" && words.all.contains("concurrently")
            && !words.isOff("concurrently")
    }

    private static func detachesConcurrently(_ words: StatementWords) -> Bool {
        words.contains("detach", "partition") && words.all.last == "concurrently"
    }

    private static func refreshesSubscription(_ words: StatementWords) -> Bool {
        words.contains("refresh", "publication")
            || ["set", "add", "drop"].contains { words.contains($0, "publication") }
                && !words.isOff("refresh")
    }

    private static func temporaryTable(_ words: StatementWords) -> StatementTrait? {
        guard words[0] == "create" else { return nil }
        let kinds = words[1] == "local" || words[1] == "global" ? 2 : 1
        guard words[kinds] == "temp" || words[kinds] == "temporary" else { return nil }
        guard words[kinds + 1] == "table", !words.contains("commit", "drop") else { return nil }
        return .lastingTemporaryTable
    }
}

/// The tokens of a statement without its comments: words in lower case, punctuation and strings as
/// they are, quoted identifiers without their quotes.
private struct StatementWords {
    let all: [String]

    init(_ text: String) {
        var lexer = SQLLexer(text)
        var words: [String] = []
        // A statement from the splitter has no lexical error, so the end is all that stops this.
        while let token = try? lexer.next() {
            switch token.kind {
            case .lineComment, .blockComment: continue
            case .quotedIdentifier: words.append(lexer.text(token.range.dropFirst().dropLast()))
            case .string: words.append(lexer.text(token.range.prefix(64)))
            default: words.append(lexer.text(token.range).lowercased())
            }
            if words.count == 1, !Self.decisive.contains(words[0]) { break }
        }
        all = words
    }

    /// First words of statements that can have a trait; of others nothing more is read.
    private static let decisive: Set<String> = [
        "begin", "commit", "end", "abort", "start", "prepare", "rollback", "set", "reset",
        "select", "vacuum", "alter", "discard", "create", "drop", "reindex", "cluster",
    ]

    subscript(index: Int) -> String { index < all.count ? all[index] : "" }

    func contains(_ first: String, _ second: String) -> Bool {
        zip(all, all.dropFirst()).contains { $0 == (first, second) }
    }

    /// Whether an option is given as `name = false`, `name false` or `name off`.
    func isOff(_ name: String) -> Bool {
        guard let place = all.firstIndex(of: name) else { return false }
        let value = self[place + 1] == "=" ? self[place + 2] : self[place + 1]
        return ["false", "off", "0", "'false'", "'off'"].contains(value.lowercased())
    }

    /// The words from an index on, without an option list in parentheses at its beginning.
    func withoutOptions(from index: Int) -> ArraySlice<String> {
        let rest = all.dropFirst(index)
        guard rest.first == "(" else { return rest }
        return rest.drop { $0 != ")" }.dropFirst()
    }

    /// The setting that SET or RESET names.
    var settingName: String {
        var rest = all.dropFirst()
        if rest.first == "session", rest.dropFirst().first == "authorization" {
            return "session authorization"
        }
        if rest.first == "session" { rest = rest.dropFirst() }
        switch rest.first {
        case "schema": return "search_path"
        case "time": return "timezone"
        case "names": return "client_encoding"
        case let name?: return name.lowercased()
        case nil: return ""
        }
    }

    /// How many of the first words name a command that runs outside a transaction.
    var outsideLength: Int {
        switch self[0] {
        case "vacuum", "cluster", "reindex": 1
        case "create" where self[2] == "index": 4
        case "create" where self[2] == "concurrently", "drop" where self[2] == "concurrently": 3
        default: 2
        }
    }

    func shown(_ count: Int) -> String {
        all.prefix(count).joined(separator: " ").uppercased()
    }
}
