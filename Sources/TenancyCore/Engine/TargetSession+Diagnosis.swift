internal import JobModel
internal import PostgresClient
internal import Support
internal import Tenants

/// What the target's database adds to a failure.
extension TargetSession {
    private static let missing = [
        SQLState.undefinedObject, SQLState.undefinedFunction, SQLState.undefinedTable,
    ]

    /// Tells a standby, which is the wrong server, from a database that somebody has made read-only,
    /// which stays so until that is undone.
    func explainingReadOnly(_ failure: TenantFailure) async -> TenantFailure {
        let row: [String?]?
        do throws(PostgresError) {
            let connection = try await connection()
            row = try await connection.query(
                "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')",
                deadline: .after(.seconds(10))
            ).first
        } catch {
            row = nil
        }
        // A standby may have been promoted since it refused the statement.
        guard row == ["f", "on"] else {
            await close()
            return failure
        }
        var failure = failure
        failure.code = .server(.databaseReadOnly)
        // It would be the same at the next attempt.
        failure.isRetryable = false
        failure.hint =
            "default_transaction_read_only is on for the database or the role, as for "
            + "maintenance: migrate when it is off again, or set tenancy.override_read_only"
        return failure
    }

    // MARK: - Extensions

    /// The failure with the extension that has what it names in a schema that is not searched.
    ///
    /// A database has each extension once, in one schema. `CREATE EXTENSION IF NOT EXISTS` without
    /// `WITH SCHEMA` makes it in the schema of the tenant that comes first, and the others do not find
    /// it there.
    func namingExtension(_ failure: TenantFailure) async -> TenantFailure {
        guard let state = failure.sqlState, TargetSession.missing.contains(state),
            let (name, schema) = await extensionElsewhere(
                with: TargetSession.names(failure.message))
        else { return failure }
        var failure = failure
        failure.message +=
            "; the extension \(name) has it and lies in the schema \(schema), which is another "
            + "one's and not searched"
        failure.hint =
            "a database has an extension once, and CREATE EXTENSION without WITH SCHEMA makes it in "
            + "the schema of the tenant that comes first: ALTER EXTENSION \(name) SET SCHEMA to one "
            + "that all tenants search (tenancy.extra_search_path)"
        return failure
    }

    /// What may be names in the text of an error, whatever its language.
    static func names(_ message: String) -> [String] {
        message.split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == "$") }.map(String.init)
    }

    private func extensionElsewhere(
        with names: [String]
    ) async -> (name: String, schema: String)? {
        let path = target.schema.map { own in
            SQLText.arrayParameter(([own] + settings.extraSearchPath).map(\.text))
        }
        do throws(PostgresError) {
            let connection = try await connection()
            let rows = try await connection.query(
                TargetSession.elsewhere,
                [SQLText.arrayParameter(names), path], deadline: .after(.seconds(10)))
            guard let row = rows.first, let name = row[0], let schema = row[1] else { return nil }
            return (name, schema)
        } catch {
            return nil
        }
    }

    /// The extension, and its schema, that has a member with one of the names `$1` and lies in none of
    /// the schemas `$2`.
    private static let elsewhere = """
        SELECT e.extname, n.nspname
        FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
            AND d.deptype = 'e'
        LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
        LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
        LEFT JOIN pg_opclass o ON d.classid = 'pg_opclass'::regclass AND o.oid = d.objid
        LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
        WHERE coalesce(t.typname, p.proname, o.opcname, c.relname) = ANY($1::text[])
            AND n.nspname <> ALL(coalesce($2::text[]::name[], current_schemas(true)))
        ORDER BY 1 LIMIT 1
        """
}
