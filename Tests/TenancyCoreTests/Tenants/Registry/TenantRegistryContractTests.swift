import TestSupport
import Testing

@testable import PostgresClient
@testable import Support
@testable import Tenants

/// What holds for every registry: each answers as `RegistryFilter.matches` does on the same tenants.
@Suite(.timeLimit(.minutes(5))) struct TenantRegistryContractTests {
    private static let rule = IsolationRule(
        strategy: .hybrid, premiumTenants: ["t-03", "é"], premium: .database, standard: .rls)

    private static let tenants: [Tenant] = [
        Tenant(id: "T-01", identifier: "acme"),
        Tenant(id: "t-01", identifier: "acme-eu", status: .suspended, metadata: ["plan": "pro"]),
        Tenant(
            id: "t-02", identifier: "ACME", isolationStrategy: "schema", metadata: ["plan": nil]),
        Tenant(id: "t-03", identifier: "a%b_c\\d", metadata: ["plan": "pro", "seats": 5]),
        Tenant(
            id: "t-04", identifier: "axb_c\\d", isolationStrategy: "database",
            metadata: ["seats": 5.0, "tags": ["a", "b"]]),
        Tenant(
            id: "t-05", identifier: "umläut", isolationStrategy: "hybrid",
            metadata: ["plan": ["a": 1, "b": [2]]]),
        Tenant(id: "t-06", identifier: "t-01", isolationStrategy: "nonsense"),
        Tenant(id: "t-07", identifier: "line\nbreak", status: TenantStatus(rawValue: "paused")),
        Tenant(id: "t-08", identifier: "quote'\"", metadata: ["k'": "v'\"\\"]),
        Tenant(id: "t-09", identifier: "ab", status: .deleted, isolationStrategy: ""),
        Tenant(id: "é", identifier: "\u{1F600}", isolationStrategy: "rls"),
    ]

    private static func filters() throws -> [(String, RegistryFilter)] {
        var filters: [(String, RegistryFilter)] = [("all", RegistryFilter())]
        for pattern in [
            "*", "acme", "acme*", "a?me", "*e*", "a%*", "a%b_c\\\\d", "*_c*", "?", "line*", "t-*",
            "*'*", "A*", "um?aut", "uml?ut",
        ] {
            filters.append((pattern, RegistryFilter(match: try Glob(pattern))))
        }
        for ids in [["t-01"], ["acme", "é", "no"], [], ["quote'\"", "a%b_c\\d"]] as [Set<String>] {
            filters.append(("\(ids)", RegistryFilter(ids: ids)))
        }
        for statuses in [
            [.active], [.suspended, .deleted], [], [TenantStatus(rawValue: "paused")],
        ]
            as [Set<TenantStatus>]
        {
            filters.append(("\(statuses)", RegistryFilter(statuses: statuses)))
        }
        for isolations in [[.schema], [.database], [.rls], [.schema, .rls]] as [Set<Isolation>] {
            filters.append(("\(isolations)", RegistryFilter(isolations: isolations)))
        }
        for metadata in [
            ["plan": "pro"], ["plan": nil], ["seats": 5], ["plan": "pro", "seats": 5],
            ["plan": ["b": [2], "a": 1]], ["tags": ["a", "b"]], ["tags": ["b", "a"]],
            ["k'": "v'\"\\"], ["absent": nil], ["seats": "5"],
        ] as [JSONObject] {
            filters.append(("\(metadata)", RegistryFilter(metadata: metadata)))
        }
        filters.append(
            (
                "several",
                RegistryFilter(
                    ids: ["t-03", "t-04", "acme"], match: try Glob("a*"), statuses: [.active],
                    isolations: [.database], metadata: ["seats": 5])
            ))
        return filters
    }

    private func exercise(_ registry: any TenantRegistry) async throws {
        for (name, filter) in try Self.filters() {
            let expected = Self.tenants.filter { filter.matches($0, rule: Self.rule) }
            let ids = expected.map(\.id)
            for limit in [1, 3, 100] {
                var found: [Tenant] = []
                var cursor: String?
                while true {
                    let page = try await registry.page(after: cursor, limit: limit, filter: filter)
                    found += page
                    guard page.count == limit else { break }
                    cursor = page.last?.id
                }
                #expect(found.map(\.id) == ids, "\(name), \(limit) at once")
                #expect(found == expected, "\(name)")
            }
            #expect(try await registry.count(filter) == ids.count, "\(name)")
        }
        let found = try await registry.find(["t-01", "é", "nobody"])
        #expect(found.map(\.id) == ["t-01", "t-06", "é"])
        #expect(try await registry.find([]).isEmpty)
    }

    @Test("a registry in a file")
    func inFile() async throws {
        try await exercise(
            StaticTenantRegistry(tenants: Self.tenants.reversed(), rule: Self.rule))
    }

    /// The types in which a registry may keep ids and metadata.
    @Test(
        "a registry in PostgreSQL",
        arguments: [
            ("varchar(255) COLLATE \"C\"", "text"), ("text COLLATE \"C\"", "jsonb"),
            ("text COLLATE \"C\"", "json"),
        ])
    func inPostgres(id: String, metadata: String) async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            _ = try await connection.execute(
                """
                CREATE TABLE tenants (id \(id) PRIMARY KEY, identifier text NOT NULL,
                    name text, status text, isolation_strategy text, database_url text,
                    schema_name text, tenant_metadata \(metadata))
                """)
            for tenant in Self.tenants.shuffled() {
                _ = try await connection.query(
                    """
                    INSERT INTO tenants (id, identifier, status, isolation_strategy,
                        tenant_metadata) VALUES ($1, $2, $3, $4, $5)
                    """,
                    [
                        tenant.id, tenant.identifier, tenant.status.rawValue,
                        tenant.isolationStrategy, tenant.metadata.renderedString(),
                    ])
            }
            await connection.close()
            try await exercise(try registry(database))
        }
    }

    private func registry(_ database: TestDatabase, _ table: String = "tenants") throws
        -> PostgresTenantRegistry
    {
        PostgresTenantRegistry(
            pool: ConnectionPool(
                try database.parameters, limit: 1, connectTimeout: .seconds(10)),
            table: try #require(RegistryTable(table)), columns: TenantColumns(), rule: Self.rule)
    }

    @Test("numbers and UUIDs are ids in their own order")
    func typedIDs() async throws {
        try await TestCluster.withDatabase { database in
            try await database.psql(
                """
                CREATE TABLE tenants AS SELECT n::bigint AS id, 'i' || n AS identifier,
                    NULL::text AS name, 'active' AS status, NULL::text AS isolation_strategy,
                    NULL::text AS database_url, NULL::text AS schema_name,
                    NULL::text AS tenant_metadata FROM generate_series(8, 12) n
                """)
            let registry = try registry(database)
            let first = try await registry.page(after: nil, limit: 2, filter: RegistryFilter())
            #expect(first.map(\.id) == ["8", "9"])
            let rest = try await registry.page(after: "9", limit: 9, filter: RegistryFilter())
            #expect(rest.map(\.id) == ["10", "11", "12"])
            let refusal = await #expect(throws: RegistryError.self) {
                _ = try await registry.page(after: "x", limit: 9, filter: RegistryFilter())
            }
            guard case .refusedValue = refusal else {
                Issue.record("\(String(describing: refusal))")
                return
            }
        }
    }

    @Test("the numbers that metadata may hold are those that jsonb takes")
    func numbers() async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            let nines = { String(repeating: "9", count: $0) }
            for text in [
                "0", "-1.5", "1e131071", "1e131072", "1e400000", "1e-16383", "1e-16384", "0e400000",
                nines(131_072), nines(131_073), nines(140_000), "0.\(nines(16_383))",
                "0.\(nines(16_384))", "1.\(String(repeating: "0", count: 16_384))", "12e131070",
                "0.0012e131074", "0.0012e131075", "1e-9223372036854775808", "1e9223372036854775807",
            ] {
                var fits = true
                do throws(PostgresError) {
                    _ = try await connection.query("SELECT $1::jsonb", [text])
                } catch {
                    #expect(error.sqlState?.hasPrefix("22") == true, "\(error)")
                    fits = false
                }
                #expect(JSONNumber(checked: text).fitsNumeric == fits, "\(text.prefix(30))")
            }
            await connection.close()
        }
    }

    @Test("a registry that is not there or not as configured says which")
    func broken() async throws {
        try await TestCluster.withDatabase { database in
            let missing = await #expect(throws: RegistryError.self) {
                _ = try await registry(database).count(RegistryFilter())
            }
            #expect(missing?.isTemporary == false)
            #expect("\(missing.map { "\($0)" } ?? "")".contains("\"tenants\" does not exist"))
            let away = PostgresTenantRegistry(
                pool: ConnectionPool(
                    try database.parameters.setting("port", to: "1"), limit: 1,
                    connectTimeout: .seconds(10)),
                table: .table(schema: nil, name: "tenants"), columns: TenantColumns(),
                rule: Self.rule)
            let error = await #expect(throws: RegistryError.self) {
                _ = try await away.find(["a"])
            }
            #expect(error?.isTemporary == true)
        }
    }
}
