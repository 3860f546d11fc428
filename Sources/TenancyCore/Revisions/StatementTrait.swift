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

    /// Whether a server of that version, as libpq counts versions, refuses the statement in a
    /// transaction block.
    static func isNonTransactional(_ statement: SQLStatement, serverVersion: Int) -> Bool {
        if case .outsideTransaction = StatementTrait(of: statement) { return true }
        guard serverVersion < firstWithAddValueInside else { return false }
        return StatementWords(statement.text).isAddValue
    }

    /// `ALTER TYPE ... ADD VALUE` may run in a transaction block since PostgreSQL 12.
    static let firstWithAddValueInside = 120_000

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
