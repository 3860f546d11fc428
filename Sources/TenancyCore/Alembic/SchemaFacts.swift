internal import PostgresClient
internal import Tenants

/// What stands in a schema: its objects out of the system catalogues, and a digest of the data of
/// each column, without the schema's own name.
package struct SchemaFacts: Equatable {
    /// Each with the object it is about in front, sorted.
    let objects: Set<String>
    /// By `table.column`: equal for the same values, whatever the order of the rows.
    let data: [String: String]

    static func read(
        _ schema: SchemaName, on connection: PostgresConnection
    ) async throws(PostgresError) -> SchemaFacts {
        let objects = try await connection.query(objectsQuery, [schema.text])
        let columns = try await connection.query(columnsQuery, [schema.text])
        var data: [String: String] = [:]
        for row in columns {
            guard let name = row[0], let query = row[1] else { continue }
            data[name] = try await connection.query(query).first?[0] ?? ""
        }
        return SchemaFacts(objects: Set(objects.compactMap { $0[0] }), data: data)
    }

    /// For each column of a table that holds data, the query for the digest of its values.
    private static let columnsQuery = """
        SELECT c.relname || '.' || a.attname, format(
            'SELECT md5(string_agg(coalesce(%I::text, ''NULL''), '','' ORDER BY %I::text COLLATE "C"))
             FROM ONLY %I.%I', a.attname, a.attname, n.nspname, c.relname)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE n.nspname = $1 AND c.relkind IN ('r', 'm')
        """

    private static let objectsQuery = """
        WITH place AS (SELECT oid FROM pg_namespace WHERE nspname = $1), relation AS (
            SELECT c.*, c.relname::text AS name FROM pg_class c JOIN place ON relnamespace = place.oid
        ), fact(line) AS (
            SELECT concat_ws(' ', 'relation', name, relkind, relpersistence, relrowsecurity,
                relforcerowsecurity, reloptions::text, relacl::text,
                obj_description(oid, 'pg_class'), pg_get_expr(relpartbound, oid),
                CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END)
            FROM relation
            UNION ALL SELECT concat_ws(' ', 'column', name, attname, row_number() OVER (
                    PARTITION BY attrelid ORDER BY attnum), format_type(atttypid, atttypmod),
                attnotnull, attidentity, attgenerated, pg_get_expr(adbin, adrelid), attacl::text,
                col_description(attrelid, attnum))
            FROM relation JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0
                AND NOT attisdropped
            LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE relkind IN ('r', 'p', 'v', 'm', 'c')
            UNION ALL SELECT concat_ws(' ', 'constraint', c.conrelid::regclass, c.contypid::regtype,
                conname, convalidated, pg_get_constraintdef(c.oid), obj_description(c.oid))
            FROM pg_constraint c JOIN place ON connamespace = place.oid
            UNION ALL SELECT concat_ws(' ', 'index', name, indisvalid, indisreplident,
                pg_get_indexdef(indexrelid))
            FROM pg_index JOIN relation ON relation.oid = indexrelid
            UNION ALL SELECT concat_ws(' ', 'function', pg_get_functiondef(p.oid), proacl::text,
                obj_description(p.oid, 'pg_proc'))
            FROM pg_proc p JOIN place ON pronamespace = place.oid WHERE prokind IN ('f', 'p', 'w')
            UNION ALL SELECT concat_ws(' ', 'trigger', name, tgenabled, pg_get_triggerdef(t.oid))
            FROM pg_trigger t JOIN relation ON relation.oid = tgrelid WHERE NOT tgisinternal
            UNION ALL SELECT concat_ws(' ', 'sequence', sequencename, data_type, start_value,
                min_value, max_value, increment_by, cycle, cache_size, last_value)
            FROM pg_sequences WHERE schemaname = $1
            UNION ALL SELECT concat_ws(' ', 'type', typname, typtype, typnotnull, typdefault,
                format_type(typbasetype, typtypmod), typacl::text, obj_description(t.oid, 'pg_type'),
                (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder)
                 FROM pg_enum WHERE enumtypid = t.oid))
            FROM pg_type t JOIN place ON typnamespace = place.oid WHERE typtype IN ('d', 'e', 'r')
            UNION ALL SELECT concat_ws(' ', 'policy', name, polname, polcmd, polpermissive,
                pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
            FROM pg_policy JOIN relation ON relation.oid = polrelid
        )
        SELECT replace(replace(line, quote_ident($1) || '.', ''), $1, 'its schema') FROM fact
        """
}
