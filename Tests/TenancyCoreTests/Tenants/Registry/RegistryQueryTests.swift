import Testing

@testable import Support
@testable import Tenants

@Suite struct RegistryQueryTests {
    private let rule = IsolationRule(
        strategy: .hybrid, premiumTenants: ["p'1"], premium: .schema, standard: .rls)

    private func query(
        _ table: String = "tenants", _ mapping: [TenantField: String?] = [:]
    ) throws -> RegistryQuery {
        RegistryQuery(
            table: try #require(RegistryTable(table)), columns: TenantColumns(mapping: mapping),
            rule: rule)
    }

    private let all = """
        SELECT registry."id"::text, registry."identifier"::text, registry."name"::text, registry."status"::text, \
        registry."tenant_metadata"::text, registry."isolation_strategy"::text, registry."database_url"::text, \
        registry."schema_name"::text FROM "tenants" AS registry
        """

    @Test("without conditions every row is read in the order of the ids")
    func plain() throws {
        let (sql, parameters) = try query().page(after: nil, limit: 10, filter: RegistryFilter())
        #expect(sql == all + #" ORDER BY registry."id" LIMIT 10"#)
        #expect(parameters.isEmpty)
        let (count, none) = try query().count(RegistryFilter())
        #expect(count == #"SELECT count(*) FROM "tenants" AS registry"#)
        #expect(none.isEmpty)
    }

    @Test("every condition is a parameter, and no text of a caller is in the SQL")
    func conditions() throws {
        let filter = RegistryFilter(
            ids: ["b'", "a"], match: try Glob("ac_me-*'"), statuses: [.active],
            isolations: [.schema], metadata: ["k'": "v'"])
        let (sql, parameters) = try query().page(after: "x'", limit: nil, filter: filter)
        #expect(
            sql == all + """
                 WHERE (registry."id"::text = ANY($1::text[]) OR registry."identifier"::text = ANY($1::text[])) AND \
                registry."identifier"::text LIKE $2 AND coalesce(registry."status"::text, '') = ANY($3::text[]) AND \
                CASE coalesce(registry."isolation_strategy"::text, 'hybrid') WHEN 'hybrid' THEN \
                CASE WHEN registry."id"::text = ANY($5::text[]) THEN 'schema' ELSE 'rls' END \
                ELSE coalesce(registry."isolation_strategy"::text, 'hybrid') END = ANY($4::text[]) AND \
                nullif(registry."tenant_metadata"::text, '')::jsonb -> $6::text = $7::jsonb AND registry."id" > $8 \
                ORDER BY registry."id"
                """)
        #expect(
            parameters == [
                #"{"a","b'"}"#, #"ac\_me-%'"#, #"{"active"}"#, #"{"schema"}"#, #"{"p'1"}"#, "k'",
                #""v'""#, "x'",
            ])
    }

    @Test("columns that the registry does not have are told by the rule, and names are quoted")
    func mapped() throws {
        let query = try query(
            "(SELECT * FROM t -- all)",
            [
                .id: "ID\"; DROP TABLE t", .status: nil, .metadata: nil, .isolationStrategy: nil,
                .name: nil, .databaseURL: nil, .schemaName: nil,
            ])
        let filter = RegistryFilter(
            statuses: [.active], isolations: [.rls], metadata: ["a": 1])
        let (sql, _) = query.page(after: nil, limit: 1, filter: filter)
        #expect(
            sql == """
                SELECT registry."ID""; DROP TABLE t"::text, registry."identifier"::text FROM (SELECT * FROM t -- all
                ) AS registry WHERE 'active' = ANY($1::text[]) AND CASE coalesce(NULL::text, \
                'hybrid') WHEN 'hybrid' THEN CASE WHEN registry."ID""; DROP TABLE t"::text = \
                ANY($3::text[]) THEN 'schema' ELSE 'rls' END ELSE coalesce(NULL::text, 'hybrid') \
                END = ANY($2::text[]) AND false ORDER BY registry."ID""; DROP TABLE t" LIMIT 1
                """)
    }
}
