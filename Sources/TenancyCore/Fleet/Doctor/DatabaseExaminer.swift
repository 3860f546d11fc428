internal import ControlStore
package import PostgresClient
package import Support
package import Tenants

/// Looks at a database without changing anything in it.
package struct DatabaseExaminer: Sendable {
    /// Of a kind of object, so many are named.
    static let listed = 20
    private static let timeout = Duration.seconds(30)
    /// How long another session waits for a pooler's connection, before it counts as refused.
    private static let poolerPatience = Duration.seconds(5)

    private let connectTimeout: Duration
    private let clock: WallClock

    package init(connectTimeout: Duration, clock: WallClock = .system) {
        self.connectTimeout = connectTimeout
        self.clock = clock
    }

    /// Connects, looks, and disconnects.
    package func examine(
        _ parameters: ConnectionParameters
    ) async throws(PostgresError) -> DatabaseFacts {
        let connection = try await connect(parameters)
        do throws(PostgresError) {
            let facts = try await facts(parameters, connection)
            await connection.close()
            return facts
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Looks for the control database's schema and tables.
    package func examineControl(
        _ parameters: ConnectionParameters, schema: SchemaName
    ) async throws(PostgresError) -> ControlFacts {
        let connection = try await connect(parameters)
        do throws(PostgresError) {
            let found = try await query(
                """
                SELECT n.oid IS NOT NULL, CASE WHEN n.oid IS NULL
                    THEN has_database_privilege(current_database(), 'CREATE')
                    ELSE has_schema_privilege(n.oid, 'CREATE') END,
                    to_regclass($2) IS NOT NULL
                FROM (SELECT to_regnamespace($1)) AS asked(oid)
                    LEFT JOIN pg_namespace n ON n.oid = asked.oid
                """, [schema.quoted, schema.quoted + ".schema_version"], on: connection)[0]
            var facts = ControlFacts(
                schema: schema.text, schemaExists: found[0] == "t", mayCreate: found[1] == "t",
                ownVersion: ControlDatabase.schemaVersion)
            if found[2] == "t" {
                let rows = try await query(
                    "SELECT version FROM \(schema.quoted).schema_version", on: connection)
                facts.version = rows.first?.first.flatMap { $0 }.flatMap { Int($0) }
            }
            await connection.close()
            return facts
        } catch {
            await connection.close()
            throw error
        }
    }

    private func connect(
        _ parameters: ConnectionParameters
    ) async throws(PostgresError) -> PostgresConnection {
        try await PostgresConnection.connect(parameters, deadline: .after(connectTimeout))
    }

    private func query(
        _ sql: String, _ parameters: [String?] = [], on connection: PostgresConnection
    ) async throws(PostgresError) -> [[String?]] {
        try await connection.query(
            sql, parameters, deadline: .after(DatabaseExaminer.timeout))
    }

    private func facts(
        _ parameters: ConnectionParameters, _ connection: PostgresConnection
    ) async throws(PostgresError) -> DatabaseFacts {
        let asked = clock.now.milliseconds
        let time = try await query(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", on: connection)
        let answered = clock.now.milliseconds
        let server = time[0][0].flatMap { Int64($0) } ?? 0
        let settings = try await query(DatabaseExaminer.settings, on: connection)[0]
        let (limit, name) = DatabaseExaminer.limit(settings)
        return DatabaseFacts(
            subject: "\(parameters.serverKey)/\(parameters.database)",
            serverVersion: connection.serverVersion,
            clockOffset: server - (asked + answered) / 2,
            clockUncertainty: (answered - asked + 1) / 2,
            isStandby: settings[0] == "t", isReadOnly: settings[1] == "on",
            pooler: try await pooler(parameters, connection),
            connectionLimit: limit, connectionLimitName: name,
            connectionsInUse: max(0, number(settings[7]) - 1),
            orphans: try await query(DatabaseExaminer.orphans, on: connection).map { row in
                .init(kind: row[0] ?? "", oid: row[1] ?? "", name: row[2] ?? "")
            },
            invalidIndexes: try await query(
                DatabaseExaminer.invalidIndexes, on: connection
            ).map { row in
                .init(name: row[0] ?? "", table: row[1] ?? "", isInToast: row[2] == "t")
            })
    }

    private static let settings = """
        SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only'),
            current_setting('max_connections'),
            CASE WHEN r.rolsuper THEN '0'
                ELSE current_setting('superuser_reserved_connections') END,
            CASE WHEN r.rolsuper THEN '0'
                ELSE coalesce(current_setting('reserved_connections', true), '0') END,
            CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END,
            CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END,
            (SELECT sum(numbackends) FROM pg_stat_database WHERE datid <> 0)
        FROM pg_roles r, pg_database d
        WHERE r.rolname = session_user AND d.datname = current_database()
        """

    private static func number(_ text: String?) -> Int { text.flatMap { Int($0) } ?? 0 }

    private func number(_ text: String?) -> Int { DatabaseExaminer.number(text) }

    /// The lowest of the limits, with its name.
    private static func limit(_ row: [String?]) -> (Int, String) {
        var lowest = (number(row[2]) - number(row[3]) - number(row[4]), "max_connections")
        for (text, name) in [(row[5], "the role's CONNECTION LIMIT"), (row[6], "the database's")] {
            let limit = number(text)
            if limit >= 0, limit < lowest.0 { lowest = (limit, name) }
        }
        return lowest
    }

    /// The documented way to find them, in docs/operations.md.
    private static let orphans = """
        SELECT * FROM (
            SELECT 'function', p.oid::text, p.proname::text FROM pg_proc p
            WHERE NOT EXISTS (SELECT FROM pg_namespace n WHERE n.oid = p.pronamespace)
            UNION ALL
            SELECT 'type', t.oid::text, t.typname::text FROM pg_type t
            WHERE NOT EXISTS (SELECT FROM pg_namespace n WHERE n.oid = t.typnamespace)
            UNION ALL
            SELECT 'relation', c.oid::text, c.relname::text FROM pg_class c
            WHERE NOT EXISTS (SELECT FROM pg_namespace n WHERE n.oid = c.relnamespace)
        ) AS found ORDER BY 1, 2 LIMIT \(listed + 1)
        """

    private static let invalidIndexes = """
        SELECT i.indexrelid::regclass::text, t.oid::regclass::text, i.indrelid <> t.oid
        FROM pg_index i JOIN pg_class t ON i.indrelid IN (t.oid, t.reltoastrelid)
        WHERE NOT i.indisvalid AND t.relkind <> 't' AND NOT EXISTS (
            SELECT FROM pg_stat_progress_create_index p
            WHERE p.index_relid = i.indexrelid OR p.relid IN (t.oid, i.indrelid))
        ORDER BY 2, 1 LIMIT \(listed + 1)
        """

    // MARK: - Poolers

    /// A pooler makes up the key by which a session is cancelled, so that the session's real process
    /// is another. If a second client gets the first one's process while that is still connected, or
    /// the first gets another meanwhile, transactions are pooled.
    private func pooler(
        _ parameters: ConnectionParameters, _ connection: PostgresConnection
    ) async throws(PostgresError) -> DatabaseFacts.Pooler {
        let first = try await process(connection)
        if first == String(connection.backendID) { return .none }
        let other = try await connect(parameters)
        let answer: DatabaseFacts.Pooler
        do throws(PostgresError) {
            _ = try await other.execute(
                "BEGIN", deadline: .after(DatabaseExaminer.poolerPatience))
            let second = try await process(other)
            let again = try await process(connection)
            answer = first == second || first != again ? .transaction : .session
        } catch .deadlinePassed {
            // One connection to the server, which the first client keeps.
            answer = .session
        } catch {
            await other.close()
            throw error
        }
        await other.close()
        return answer
    }

    private func process(
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> String? {
        let deadline = Deadline.after(DatabaseExaminer.poolerPatience)
        return try await connection.query("SELECT pg_backend_pid()", deadline: deadline).first?[0]
    }
}
