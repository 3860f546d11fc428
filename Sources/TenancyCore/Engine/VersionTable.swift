internal import PostgresClient
internal import Revisions
internal import Tenants

/// What a target says of its own revision.
package enum VersionState: Sendable, Equatable {
    /// The schema that the tenant is placed in does not exist.
    case missingSchema
    /// The schema is there and holds no version table: the target was never migrated.
    case noTable
    /// The rows of the version table, in the order in which they were read.
    case rows([String])

    /// The version rows; empty where there are none.
    package var revisions: [String] {
        switch self {
        case .missingSchema, .noTable: []
        case .rows(let rows): rows
        }
    }

    /// Whether nothing but the order of the rows differs.
    func isSame(as other: VersionState) -> Bool {
        switch (self, other) {
        case (.missingSchema, .missingSchema), (.noTable, .noTable): true
        case (.rows(let rows), .rows(let others)): rows.sorted() == others.sorted()
        case (.missingSchema, _), (.noTable, _), (.rows, _): false
        }
    }
}

/// The SQL that reads and moves the version rows of one target, as Alembic keeps them
/// (`alembic.runtime.migration.HeadMaintainer`).
struct VersionTable: Sendable {
    /// The table's name in SQL: qualified, so that no other schema's table is ever read for it.
    let qualifiedName: String
    private let columns: String

    init(schema: SchemaName?, name: VersionTableName = .standard) {
        let schema = name.schema.map(SQLText.identifier) ?? schema?.quoted
        qualifiedName = (schema.map { $0 + "." } ?? "") + VersionTable.quotedIfNeeded(name.name)
        let key = VersionTable.quotedIfNeeded(name.name + "_pkc")
        columns =
            name.columns
            ?? "version_num VARCHAR(32) NOT NULL, CONSTRAINT \(key) PRIMARY KEY (version_num)"
    }

    private static func quotedIfNeeded(_ name: String) -> String {
        let isPlain = name.utf8.allSatisfy { $0 == UInt8(ascii: "_") || (97...122).contains($0) }
        return isPlain ? name : SQLText.identifier(name)
    }

    /// As Alembic creates it (`MigrationContext._version`).
    var create: String { "CREATE TABLE \(qualifiedName) (\(columns))" }

    /// Locks the table's schema until the transaction ends, so that DROP SCHEMA waits: for a table that
    /// is there PostgreSQL does nothing else (`RangeVarGetAndCheckCreationNamespace`).
    var lockSchema: String { "CREATE TABLE IF NOT EXISTS \(qualifiedName) (\(columns))" }

    var read: String { "SELECT version_num FROM \(qualifiedName)" }

    /// Reads the rows without a plan: of a table that the session has not seen yet, PostgreSQL does
    /// not load the indexes and statistics for it, and is through in about a third of the time.
    /// Refused for a view or a partitioned table.
    var copy: String { "COPY \(qualifiedName) (version_num) TO STDOUT" }

    /// Fails with division_by_zero unless the rows are exactly `rows`. Run after the target's lock is
    /// taken, in a statement of its own: at READ COMMITTED each statement sees what was committed
    /// before it began.
    func guardRows(_ rows: [String]) -> String {
        // Sorted by bytes here and by the "C" collation there: the same order.
        let expected = rows.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        return """
            SELECT 1 / (ARRAY(SELECT version_num::text COLLATE "C" FROM \(qualifiedName) \
            ORDER BY 1) = \(SQLText.textArray(expected)))::int
            """
    }

    /// The statements that move the rows for one step, each of which fails unless it changed
    /// exactly one row.
    func change(_ step: PlannedStep) -> [String] {
        var statements = step.deleteVersions.map { version in
            requireOneRow(
                "DELETE FROM \(qualifiedName) WHERE version_num = \(SQLText.literal(version))")
        }
        statements += step.insertVersions.map { version in
            "INSERT INTO \(qualifiedName) (version_num) VALUES (\(SQLText.literal(version)))"
        }
        if let update = step.updateVersion {
            statements.append(
                requireOneRow(
                    """
                    UPDATE \(qualifiedName) SET version_num = \(SQLText.literal(update.to)) \
                    WHERE version_num = \(SQLText.literal(update.from))
                    """))
        }
        return statements
    }

    /// Leaves the id of the transaction on a version row, or, where there is none, on the column.
    ///
    /// A server that crashes gives the ids of transactions that were under way out again, so that the
    /// id alone does not tell which of them committed.
    func mark(_ rows: [String]) -> String {
        if !rows.isEmpty { return "UPDATE \(qualifiedName) SET version_num = version_num" }
        let block = """
            BEGIN IF \(isOwned) THEN \
            ALTER TABLE \(qualifiedName) ALTER version_num SET STATISTICS -1; END IF; END
            """
        return "DO \(SQLText.literal(block))"
    }

    /// Whether the transaction `$1::bigint` left its mark; NULL where it could not.
    func isMarked(_ rows: [String]) -> String {
        let marked = "xmin::text = ($1::bigint & 4294967295)::text"
        if !rows.isEmpty { return "SELECT \(marked) FROM \(qualifiedName) LIMIT 1" }
        return """
            SELECT CASE WHEN \(isOwned) THEN \(marked) END FROM pg_attribute \
            WHERE attrelid = \(SQLText.literal(qualifiedName))::regclass AND attname = 'version_num'
            """
    }

    /// Whether the role may alter the table.
    private var isOwned: String {
        """
        (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class \
        WHERE oid = \(SQLText.literal(qualifiedName))::regclass)
        """
    }

    private func requireOneRow(_ change: String) -> String {
        "WITH changed AS (\(change) RETURNING 1) SELECT 1 / (count(*) = 1)::int FROM changed"
    }
}

extension PlannedStep {
    /// The version rows after this step, from the rows before it.
    package func applied(to rows: [String]) -> [String] {
        var rows = rows.filter { !deleteVersions.contains($0) } + insertVersions
        if let updateVersion {
            rows = rows.map { $0 == updateVersion.from ? updateVersion.to : $0 }
        }
        return rows
    }
}
