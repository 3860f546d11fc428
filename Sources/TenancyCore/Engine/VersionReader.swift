package import PostgresClient
package import Revisions
internal import Support
package import Tenants

/// Reads the revisions of many targets of one database in two round trips.
///
/// The first looks up which schemas and version tables exist, the second reads all tables as one
/// message of single selects. A UNION ALL over the tables would plan in quadratic time.
package struct VersionReader {
    /// Tables read in one message. Each holds two locks until the message ends, and PostgreSQL's lock
    /// table has room for 6,400 by default.
    static let chunk = 200
    /// A server that does not answer in this time counts as unreachable.
    private static let timeout = Duration.seconds(60)
    /// Bounds of a reading where the settings have none: a migration may wait indefinitely, a reader may not.
    private static let lockTimeout = 10_000
    private static let statementTimeout = 30_000

    package let settings: SessionSettings
    package var table = VersionTableName.standard

    package init(settings: SessionSettings, table: VersionTableName = VersionTableName.standard) {
        self.settings = settings
        self.table = table
    }

    /// The state of each of `schemas`, in their order; `nil` stands for the connection's own default.
    package func read(
        _ schemas: [SchemaName?], on connection: PostgresConnection
    ) async throws(PostgresError) -> [VersionState] {
        var states: [VersionState] = []
        var rest = schemas[...]
        while !rest.isEmpty {
            states += try await readChunk(Array(rest.prefix(VersionReader.chunk)), on: connection)
            rest = rest.dropFirst(VersionReader.chunk)
        }
        return states
    }

    private func readChunk(
        _ schemas: [SchemaName?], on connection: PostgresConnection
    ) async throws(PostgresError) -> [VersionState] {
        let found = try await connection.query(
            """
            SELECT name IS NULL OR to_regnamespace(quote_ident(name)) IS NOT NULL,
                to_regclass(coalesce(quote_ident(coalesce($3, name)) || '.', '') || quote_ident($2))
                    IS NOT NULL
            FROM unnest($1::text[]) WITH ORDINALITY AS asked(name, position) ORDER BY position
            """,
            [SQLText.arrayParameter(schemas.map { $0?.text }), table.name, table.schema],
            deadline: .after(VersionReader.timeout))
        let present = zip(schemas, found).filter { $0.1[1] == "t" }.map(\.0)
        var rows = try await readRows(of: present, on: connection)[...]
        return found.map { answer in
            if answer[1] == "t" { return .rows(rows.popFirst() ?? []) }
            return answer[0] == "t" ? .noTable : .missingSchema
        }
    }

    private func readRows(
        of schemas: [SchemaName?], on connection: PostgresConnection
    ) async throws(PostgresError) -> [[String]] {
        if schemas.isEmpty { return [] }
        let opening = [
            "SET LOCAL lock_timeout = "
                + bounded(settings.lockTimeoutMilliseconds, VersionReader.lockTimeout),
            "SET LOCAL statement_timeout = "
                + bounded(settings.statementTimeoutMilliseconds, VersionReader.statementTimeout),
        ]
        let tables = schemas.map { VersionTable(schema: $0, name: table) }
        do throws(PostgresError) {
            return try await rows(opening, tables.map(\.copy), on: connection)
        } catch .server(let error) where error.sqlState == SQLState.wrongObjectType {
            // One of them is a view or partitioned.
            return try await rows(opening, tables.map(\.read), on: connection)
        }
    }

    private func rows(
        _ opening: [String], _ reads: [String], on connection: PostgresConnection
    ) async throws(PostgresError) -> [[String]] {
        let results = try await connection.execute(
            (opening + reads).joined(separator: ";\n"), keepingCopies: true,
            deadline: .after(VersionReader.timeout))
        return results.dropFirst(opening.count).map { $0.rows.compactMap { $0[0] } }
    }

    /// 0 means no bound at all.
    private func bounded(_ milliseconds: Int, _ limit: Int) -> String {
        String(milliseconds == 0 ? limit : min(milliseconds, limit))
    }
}
