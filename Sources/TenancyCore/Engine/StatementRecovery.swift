internal import PostgresClient
internal import Revisions
internal import Support

/// Determines whether an interrupted statement was applied, and clears what it left half done.
///
/// Works on a session with the statement's own search_path, so that its names mean the same.
struct StatementRecovery {
    /// The outcome of a statement whose answer was lost.
    enum Verdict: Equatable {
        case applied
        /// Nothing of it is left.
        case notApplied
        /// Only a person can say, for this reason.
        case unknown(String)
    }

    private static let timeout = Duration.seconds(30)

    let connection: PostgresConnection
    /// Bounds the clearing, which waits for other transactions as the build does.
    let deadline: Deadline

    /// The outcome of a unit that was begun; `nil` while the server still runs it. `markQuery` asks
    /// whether the transaction `$1` left its mark.
    func verdict(
        on unit: StepUnit, _ begun: BegunUnit, markQuery: String
    ) async throws(PostgresError) -> Verdict? {
        guard try await waitForEnd(of: begun) else { return nil }
        switch unit {
        case .transaction: return try await transactionVerdict(begun, markQuery)
        case .nonTransactional(_, let command): return try await statementVerdict(command, begun)
        }
    }

    /// The outcome of `command`, with whatever it left half done cleared or completed.
    private func statementVerdict(
        _ command: NonTransactionalStatement, _ begun: BegunUnit
    ) async throws(PostgresError) -> Verdict {
        switch command {
        case .createIndex(let name, let table):
            return try await indexVerdict(name, table, before: begun.indexes)
        case .dropIndex(let name):
            let isThere = try await answer("SELECT to_regclass($1) IS NOT NULL", [name])
            return isThere == "t" ? .notApplied : .applied
        case .reindexConcurrently:
            try await dropRebuilt()
            return .notApplied
        case .detachPartition(let table, let partition):
            return try await partitionVerdict(table, partition)
        case .addEnumValue(let type, let value):
            let isThere = try await answer(
                """
                SELECT EXISTS (SELECT FROM pg_enum
                    WHERE enumtypid = to_regtype($1) AND enumlabel = \(value))
                """, [type])
            return isThere == "t" ? .applied : .notApplied
        case .repeatable:
            return .notApplied
        case .opaque:
            return .unknown("nothing in the database shows whether the statement was applied")
        }
    }

    /// The outcome of a transaction whose session is gone.
    ///
    /// A server that crashed before anything of the transaction was on its disk gives its id out
    /// again: then it is not given out yet, or that of a later transaction.
    private func transactionVerdict(
        _ begun: BegunUnit, _ markQuery: String
    ) async throws(PostgresError) -> Verdict {
        let parameters = [begun.transaction ?? "0"]
        let status = try await answer(
            """
            SELECT CASE WHEN $1::bigint >= txid_snapshot_xmax(txid_current_snapshot())
                THEN 'not given out' ELSE txid_status($1::bigint) END
            """, parameters)
        switch status {
        case "aborted", "in progress", "not given out": return .notApplied
        case "committed": break
        default:
            return .unknown("the server no longer knows the outcome of the transaction")
        }
        guard begun.isMarked else { return .applied }
        switch try await answer(markQuery, parameters) {
        case "t": return .applied
        case "f": return .notApplied
        default:
            return .unknown(
                "the transaction left no mark, since the version table has no rows and is another "
                    + "role's")
        }
    }

    /// Waits until the session that ran a unit is gone; its outcome is final from then on. A session whose
    /// start this role may not see could be that one.
    ///
    /// - Returns: false when the deadline passed first.
    private func waitForEnd(of begun: BegunUnit) async throws(PostgresError) -> Bool {
        var backoff = Backoff(from: .milliseconds(20), upTo: .milliseconds(500))
        while true {
            let isThere = try await answer(
                """
                SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1::int
                    AND pid <> pg_backend_pid()
                    AND coalesce(backend_start = $2::timestamptz, true))
                """, [String(begun.backend), begun.backendStart])
            if isThere != "t" { return true }
            if deadline.hasPassed { return false }
            do {
                try await Task.sleep(for: backoff.next())
            } catch {
                throw .cancelled(completedStatements: 0)
            }
        }
    }

    /// Drops the INVALID index that an earlier run of `command` left, whoever ran it.
    func clear(before command: NonTransactionalStatement) async throws(PostgresError) {
        if case .reindexConcurrently = command { return try await dropRebuilt() }
        guard case .createIndex(let name?, let table) = command else { return }
        for index in try await indexes(of: table, named: name)
        where index.isNamed && !index.isValid {
            try await drop(index.name)
        }
    }

    /// The object ids of a table's indexes.
    func indexIDs(of table: String) async throws(PostgresError) -> [String] {
        try await query(
            "SELECT indexrelid::text FROM pg_index WHERE indrelid = to_regclass($1)", [table]
        ).compactMap { $0[0] }
    }

    // MARK: - Indexes

    private struct Index {
        let id: String
        /// As SQL.
        let name: String
        /// Whether it has the name that was asked for.
        let isNamed: Bool
        let isValid: Bool
    }

    private func indexVerdict(
        _ name: String?, _ table: String, before: [String]
    ) async throws(PostgresError) -> Verdict {
        let candidates = try await indexes(of: table, named: name)
            .filter { name == nil ? !before.contains($0.id) : $0.isNamed }
        guard candidates.count < 2 else {
            return .unknown(
                "table \(table) has several new indexes, and the statement names none")
        }
        guard let index = candidates.first else { return .notApplied }
        if index.isValid { return .applied }
        try await drop(index.name)
        return .notApplied
    }

    /// The table's indexes, but for those that somebody is building at this moment.
    private func indexes(
        of table: String, named name: String?
    ) async throws(PostgresError) -> [Index] {
        try await query(
            """
            SELECT i.indexrelid::text, i.indexrelid::regclass::text,
                c.relname = (parse_ident($2))[1], i.indisvalid
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE i.indrelid = to_regclass($1) AND NOT EXISTS (
                SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
            """, [table, name]
        ).compactMap { row in
            guard let id = row[0], let name = row[1] else { return nil }
            return Index(id: id, name: name, isNamed: row[2] == "t", isValid: row[3] == "t")
        }
    }

    /// The INVALID indexes that interrupted rebuilds have left on TOAST tables of the schemas searched,
    /// each with the table.
    func rebuiltInToast() async throws(PostgresError) -> [(index: String, table: String)] {
        try await query(
            """
            SELECT c.relname, t.oid::regclass::text
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                JOIN pg_class t ON t.reltoastrelid = i.indrelid
            WHERE NOT i.indisvalid
                AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p
                    WHERE p.index_relid = i.indexrelid OR p.relid IN (i.indrelid, t.oid))
                AND t.relnamespace = ANY(SELECT to_regnamespace(quote_ident(name))
                    FROM unnest(current_schemas(false)) AS name)
            ORDER BY 2, 1
            """
        ).compactMap { row in row[0].flatMap { index in row[1].map { (index, $0) } } }
    }

    /// Drops what rebuilds have left, which is how PostgreSQL recommends to recover (its manual,
    /// REINDEX, "Rebuilding Indexes Concurrently"). An index on a TOAST table can be dropped when it is
    /// INVALID, by its table's owner, too, who lacks only USAGE on `pg_toast` at first.
    private func dropRebuilt() async throws(PostgresError) {
        let names = try await query(
            """
            SELECT i.indexrelid::regclass::text
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                JOIN pg_class t ON i.indrelid IN (t.oid, t.reltoastrelid) AND t.relkind <> 't'
            WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'
                AND t.relnamespace = ANY(SELECT to_regnamespace(quote_ident(name))
                    FROM unnest(current_schemas(false)) AS name)
                AND (i.indrelid = t.oid OR has_schema_privilege('pg_toast', 'USAGE')
                    AND pg_has_role(t.relowner, 'USAGE'))
                AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p
                    WHERE p.index_relid = i.indexrelid OR p.relid IN (i.indrelid, t.oid))
            """)
        for row in names {
            if let name = row[0] { try await drop(name) }
        }
    }

    private func drop(_ index: String) async throws(PostgresError) {
        _ = try await connection.execute(
            "DROP INDEX CONCURRENTLY IF EXISTS \(index)", deadline: deadline)
    }

    // MARK: - Partitions

    private func partitionVerdict(
        _ table: String, _ partition: String
    ) async throws(PostgresError) -> Verdict {
        let rows = try await query(
            """
            SELECT inhdetachpending FROM pg_inherits
            WHERE inhparent = to_regclass($1) AND inhrelid = to_regclass($2)
            """, [table, partition])
        guard let row = rows.first else { return .applied }
        if row[0] != "t" { return .notApplied }
        _ = try await connection.execute(
            "ALTER TABLE \(table) DETACH PARTITION \(partition) FINALIZE", deadline: deadline)
        return .applied
    }

    // MARK: - Support

    private func query(
        _ sql: String, _ parameters: [String?] = []
    ) async throws(PostgresError) -> [[String?]] {
        try await connection.query(sql, parameters, deadline: .after(StatementRecovery.timeout))
    }

    private func answer(
        _ sql: String, _ parameters: [String?]
    ) async throws(PostgresError) -> String? {
        try await query(sql, parameters).first?[0]
    }
}
