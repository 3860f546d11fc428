package import PostgresClient
internal import Support

/// The registry as a table or query of PostgreSQL: fastapi-tenancy's `tenants` table as it stands, or
/// anything with a column mapping.
///
/// Pages are read by keyset, `WHERE id > last ORDER BY id`, so a row that is added or changes its
/// status while a job pages neither hides nor repeats another.
package struct PostgresTenantRegistry: TenantRegistry {
    /// A registry that does not answer in this time counts as unreachable.
    private static let timeout = Duration.seconds(30)

    private let pool: ConnectionPool
    private let query: RegistryQuery

    package init(
        pool: ConnectionPool, table: RegistryTable, columns: TenantColumns, rule: IsolationRule
    ) {
        self.pool = pool
        query = RegistryQuery(table: table, columns: columns, rule: rule)
    }

    package func page(
        after id: String?, limit: Int, filter: RegistryFilter
    ) async throws(RegistryError) -> [Tenant] {
        let (sql, parameters) = query.page(after: id, limit: limit, filter: filter)
        return try await tenants(sql, parameters)
    }

    package func find(_ idsOrIdentifiers: [String]) async throws(RegistryError) -> [Tenant] {
        let filter = RegistryFilter(ids: Set(idsOrIdentifiers))
        let (sql, parameters) = query.page(after: nil, limit: nil, filter: filter)
        return try await tenants(sql, parameters)
    }

    package func count(_ filter: RegistryFilter) async throws(RegistryError) -> Int {
        let (sql, parameters) = query.count(filter)
        let rows = try await run(sql, parameters)
        return rows.first?[0].flatMap { Int($0) } ?? 0
    }

    private func tenants(
        _ sql: String, _ parameters: [String?]
    ) async throws(RegistryError) -> [Tenant] {
        var tenants: [Tenant] = []
        for row in try await run(sql, parameters) {
            tenants.append(try TenantRow.decode(row, columns: query.columns))
        }
        return tenants
    }

    private func run(
        _ sql: String, _ parameters: [String?]
    ) async throws(RegistryError) -> [[String?]] {
        do throws(PostgresError) {
            return try await pool.withConnection { connection throws(PostgresError) in
                try await connection.query(
                    sql, parameters, deadline: .after(PostgresTenantRegistry.timeout))
            }
        } catch {
            if case .server(let server) = error, !SQLState.isRetryable(server.sqlState) {
                throw SQLState.isDataException(server.sqlState)
                    ? .refusedValue(reason: server.message) : .invalid(reason: server.message)
            }
            throw .unavailable(reason: "\(error)")
        }
    }
}

/// The SQL that reads the registry. Pure.
struct RegistryQuery: Sendable {
    let table: RegistryTable
    let columns: TenantColumns
    let rule: IsolationRule

    /// A page of at most `limit` rows; without a limit, all of them.
    func page(
        after id: String?, limit: Int?, filter: RegistryFilter
    ) -> (sql: String, parameters: [String?]) {
        var parameters: [String?] = []
        var conditions = conditions(filter, &parameters)
        if let id {
            parameters.append(id)
            // Compared as the column's own type, so that its index and its order are used.
            conditions.append("\(column(.id)) > $\(parameters.count)")
        }
        let list = columns.columns.map { "\(column($0.field))::text" }
        let sql = """
            SELECT \(list.joined(separator: ", ")) FROM \(table.fromClause)\
            \(clause(conditions)) ORDER BY \(column(.id))\(limit.map { " LIMIT \($0)" } ?? "")
            """
        return (sql, parameters)
    }

    func count(_ filter: RegistryFilter) -> (sql: String, parameters: [String?]) {
        var parameters: [String?] = []
        let conditions = conditions(filter, &parameters)
        return ("SELECT count(*) FROM \(table.fromClause)\(clause(conditions))", parameters)
    }

    private func clause(_ conditions: [String]) -> String {
        conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
    }

    /// A column by its table: `ORDER BY "id"` alone would mean the text that is selected under that
    /// name, whose order is not the order of numbers.
    private func column(_ field: TenantField) -> String {
        "registry." + RegistryTable.quoted(columns[field] ?? field.defaultColumn)
    }

    private func conditions(
        _ filter: RegistryFilter, _ parameters: inout [String?]
    ) -> [String] {
        var conditions: [String] = []
        func parameter(_ value: String) -> String {
            parameters.append(value)
            return "$\(parameters.count)"
        }
        if let ids = filter.ids {
            let list = parameter(SQLText.arrayParameter(ids.sorted()))
            conditions.append(
                "(\(column(.id))::text = ANY(\(list)::text[])"
                    + " OR \(column(.identifier))::text = ANY(\(list)::text[]))")
        }
        if let match = filter.match {
            conditions.append("\(column(.identifier))::text LIKE \(parameter(match.likePattern))")
        }
        if let statuses = filter.statuses {
            let list = parameter(SQLText.arrayParameter(statuses.map(\.rawValue).sorted()))
            // Without a status column every tenant is active.
            let status =
                columns[.status] == nil
                ? SQLText.literal(TenantStatus.active.rawValue)
                : "coalesce(\(column(.status))::text, '')"
            conditions.append("\(status) = ANY(\(list)::text[])")
        }
        if let isolations = filter.isolations {
            let list = parameter(SQLText.arrayParameter(isolations.map(\.rawValue).sorted()))
            let premium = parameter(SQLText.arrayParameter(rule.premiumTenants.sorted()))
            conditions.append("\(isolation(premium: premium)) = ANY(\(list)::text[])")
        }
        for member in filter.metadata.members {
            let key = parameter(member.key)
            let value = parameter(member.value.renderedString())
            conditions.append(
                columns[.metadata] == nil
                    ? "false"
                    : "nullif(\(column(.metadata))::text, '')::jsonb -> \(key)::text = \(value)::jsonb"
            )
        }
        return conditions
    }

    /// The isolation that a row's placement has: its own strategy, else the configured one, with
    /// hybrid resolved by the premium tenants.
    private func isolation(premium: String) -> String {
        let hybrid = """
            CASE WHEN \(column(.id))::text = ANY(\(premium)::text[]) \
            THEN '\(rule.premium.rawValue)' ELSE '\(rule.standard.rawValue)' END
            """
        let own =
            columns[.isolationStrategy] == nil
            ? "NULL::text" : "\(column(.isolationStrategy))::text"
        let strategy = "coalesce(\(own), '\(rule.strategy.rawValue)')"
        return "CASE \(strategy) WHEN 'hybrid' THEN \(hybrid) ELSE \(strategy) END"
    }
}
