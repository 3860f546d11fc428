/// A statement that cannot run in a transaction block, by how its outcome is determined after its answer
/// was lost. Names are SQL, quoted as the statement has them.
package enum NonTransactionalStatement: Equatable, Sendable {
    /// `CREATE INDEX CONCURRENTLY`. An interrupted one leaves an INVALID index behind.
    case createIndex(name: String?, table: String)
    /// `DROP INDEX CONCURRENTLY`.
    case dropIndex(name: String)
    /// `REINDEX ... CONCURRENTLY`. An interrupted one leaves INVALID indexes named `..._ccnew`.
    case reindexConcurrently
    /// `ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY`. An interrupted one waits for `FINALIZE`.
    case detachPartition(table: String, partition: String)
    /// `ALTER TYPE ... ADD VALUE` on a server that refuses it in a transaction block; the value is a
    /// literal.
    case addEnumValue(type: String, value: String)
    /// Idempotent: `VACUUM`, `REINDEX SCHEMA`.
    case repeatable
    /// Nothing in the database shows whether it has run: `CALL`, `CREATE DATABASE`.
    case opaque

    /// `nil` for a statement that can run in a transaction.
    init?(of statement: SQLStatement, serverVersion: Int) {
        guard StatementTrait.isNonTransactional(statement, serverVersion: serverVersion) else {
            return nil
        }
        let words = StatementWords(statement.text)
        self =
            NonTransactionalStatement.index(words) ?? NonTransactionalStatement.partition(words)
            ?? NonTransactionalStatement.enumValue(words) ?? NonTransactionalStatement.other(words)
    }

    /// Whether it builds an index without locking out writers, which waits for all transactions of
    /// its database.
    package var buildsIndex: Bool {
        switch self {
        case .createIndex, .reindexConcurrently: true
        case .dropIndex, .detachPartition, .addEnumValue, .repeatable, .opaque: false
        }
    }

    /// Whether it waits for old snapshots of its whole database while it holds no lock that keeps
    /// anybody from reading or writing, so that a longer wait harms nobody.
    package var waitsHarmlessly: Bool {
        switch self {
        case .createIndex, .dropIndex, .reindexConcurrently: true
        case .detachPartition, .addEnumValue, .repeatable, .opaque: false
        }
    }

    private static func index(_ words: StatementWords) -> NonTransactionalStatement? {
        if let place = words.place(
            after: ["create", "[unique]", "index", "concurrently", "[if not exists]"])
        {
            let name = words[place] == "on" ? nil : words.name(at: place)
            guard
                let table = words.place(after: ["on", "[only]"], from: name?.end ?? place)
                    .flatMap(words.name(at:))
            else { return nil }
            return .createIndex(name: name?.sql, table: table.sql)
        }
        if let place = words.place(after: ["drop", "index", "concurrently", "[if exists]"]) {
            return words.name(at: place).map { .dropIndex(name: $0.sql) }
        }
        let isConcurrent = words.all.contains("concurrently") && !words.isOff("concurrently")
        return words[0] == "reindex" && isConcurrent ? .reindexConcurrently : nil
    }

    private static func partition(_ words: StatementWords) -> NonTransactionalStatement? {
        guard let place = words.place(after: ["alter", "table", "[if exists]", "[only]"]),
            let table = words.name(at: place),
            let next = words.place(after: ["detach", "partition"], from: table.end),
            let partition = words.name(at: next)
        else { return nil }
        return .detachPartition(table: table.sql, partition: partition.sql)
    }

    private static func enumValue(_ words: StatementWords) -> NonTransactionalStatement? {
        guard let place = words.place(after: ["alter", "type"]), let type = words.name(at: place),
            let value = words.place(after: ["add", "value", "[if not exists]"], from: type.end),
            value < words.sources.count
        else { return nil }
        return .addEnumValue(type: type.sql, value: words.sources[value])
    }

    private static func other(_ words: StatementWords) -> NonTransactionalStatement {
        switch words[0] {
        case "vacuum", "cluster", "reindex", "discard": .repeatable
        case "alter" where words[1] == "system" || words[1] == "database": .repeatable
        default: .opaque
        }
    }
}

extension StatementWords {
    /// `ALTER TYPE ... ADD VALUE`.
    var isAddValue: Bool {
        self[0] == "alter" && self[1] == "type" && contains("add", "value")
    }

    /// Whether it may make an object in a schema that PostgreSQL does not lock for it before version 18:
    /// anything but a relation, or what a block or a procedure makes.
    package var leavesSchemaUnlocked: Bool {
        if mayCommit { return true }
        let kind = place(after: ["create", "[or replace]"]).map { self[$0] } ?? ""
        return [
            "function", "procedure", "aggregate", "type", "domain", "operator", "collation",
            "conversion", "text", "statistics",
        ].contains(kind)
    }

    /// Statements that may end transactions of their own.
    var mayCommit: Bool { self[0] == "call" || self[0] == "do" }
}
