import Testing

@testable import PostgresClient
@testable import Support
@testable import Tenants

@Suite struct TenantRowTests {
    @Test("a row of fastapi-tenancy's table is read")
    func whole() throws {
        let columns = TenantColumns()
        let names = [
            "id", "identifier", "name", "status", "tenant_metadata", "isolation_strategy",
            "database_url", "schema_name",
        ]
        #expect(columns.columns.map(\.column) == names)
        let row = ["t", "acme", "Acme", "deleted", #"{"a": 1}"#, "rls", "postgresql://h/d", "s"]
        let tenant = try TenantRow.decode(row, columns: columns)
        let expected = Tenant(
            id: "t", identifier: "acme", name: "Acme", status: .deleted, isolationStrategy: "rls",
            databaseURL: Secret("postgresql://h/d"), schemaName: "s", metadata: ["a": 1])
        #expect(tenant == expected)
    }

    @Test(
        "metadata that cannot be read is null, and none is empty",
        arguments: [
            (nil, [:]), ("", [:]), ("{}", [:]), ("[1]", nil), ("{", nil), ("null", nil),
            (#"{"a": {"b": null}}"#, ["a": ["b": nil]]),
        ] as [(String?, JSONValue)])
    func metadata(text: String?, expected: JSONValue) throws {
        let row = ["t", "acme", nil, "active", text, nil, nil, nil]
        let tenant = try TenantRow.decode(row, columns: TenantColumns())
        #expect(tenant.metadata == expected)
        #expect(tenant.name == nil)
    }

    @Test("columns can have other names, be shared, or be missing")
    func mapping() throws {
        let columns = TenantColumns(mapping: [
            .id: "slug", .identifier: "slug", .name: nil, .status: nil, .metadata: nil,
            .isolationStrategy: nil, .databaseURL: "dsn", .schemaName: nil,
        ])
        #expect(columns.columns.map(\.column) == ["slug", "slug", "dsn"])
        let tenant = try TenantRow.decode(["a", "a", nil], columns: columns)
        #expect(tenant == Tenant(id: "a", identifier: "a"))
    }

    @Test("a null status is no status, and a row without an id is none")
    func nulls() throws {
        let row: [String?] = ["t", "acme", nil, nil, nil, nil, nil, nil]
        #expect(try TenantRow.decode(row, columns: TenantColumns()).status != .active)
        let noID = #expect(throws: RegistryError.self) {
            try TenantRow.decode([nil] + row.dropFirst(), columns: TenantColumns())
        }
        #expect(noID == .invalid(reason: "a row has no id"))
        let noIdentifier = #expect(throws: RegistryError.self) {
            try TenantRow.decode(["t", nil] + row.dropFirst(2), columns: TenantColumns())
        }
        #expect(noIdentifier == .invalid(reason: "the row with id t has no identifier"))
    }

    @Test(
        "a table's name becomes a FROM clause",
        arguments: [
            ("tenants", #""tenants" AS registry"#),
            ("App.tenants", #""App"."tenants" AS registry"#),
            (#"a"b"#, #""a""b" AS registry"#), ("(SELECT 1 -- x)", "(SELECT 1 -- x\n) AS registry"),
            ("a.b.c", nil), ("", nil), (".a", nil), ("a.", nil),
        ] as [(String, String?)])
    func tables(text: String, expected: String?) {
        #expect(RegistryTable(text)?.fromClause == expected)
    }

    @Test("a tenant never prints its URL")
    func printing() {
        let tenant = Tenant(
            id: "t", identifier: "acme", databaseURL: Secret("postgresql://u:sesame@h/d"))
        var dumped = ""
        dump(tenant, to: &dumped)
        #expect(!"\(tenant)\(String(reflecting: tenant))\(dumped)".contains("sesame"))
        #expect("\(tenant)" == "tenant acme (t)")
    }
}
