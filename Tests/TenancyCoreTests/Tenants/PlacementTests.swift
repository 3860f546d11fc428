import Testing

@testable import DaemonConfiguration
@testable import PostgresClient
@testable import Tenants

private func resolver(_ tenancy: String) throws -> PlacementResolver {
    try PlacementResolver(try load(#"{"tenancy": \#(tenancy)}"#).tenancy.placementRules)
}

private func make(
    id: String = "t-1", identifier: String = "acme-corp", strategy: String? = nil,
    url: String? = nil, schema: String? = nil
) -> Tenant {
    Tenant(
        id: id, identifier: identifier, isolationStrategy: strategy,
        databaseURL: url.map { Secret($0) }, schemaName: schema)
}

@Suite struct PlacementTests {
    @Test(
        "a row's own strategy goes before the one for all",
        arguments: [
            ("schema", "rls", "[local]:5432/app"),
            ("rls", "schema", "[local]:5432/app/tenant_acme_corp"),
            ("rls", "database", "h:5432/tenant_acme_corp_db"),
            ("schema", nil, "[local]:5432/app/tenant_acme_corp"),
            ("rls", "hybrid", "[local]:5432/app"),
            ("hybrid", "database", "h:5432/tenant_acme_corp_db"),
        ] as [(String, String?, String)])
    func ownStrategy(all: String, own: String?, label: String) throws {
        let resolver = try resolver(
            """
            {"isolation_strategy": "\(all)",
             "database_url_template": "postgresql://h/{database_name}"}
            """)
        #expect(try resolver.place(make(strategy: own)).target.label == label)
    }

    @Test("hybrid asks the list of premium tenants, for a row's own strategy as well")
    func hybrid() throws {
        let resolver = try resolver(#"{"premium_tenants": ["p"]}"#)
        #expect(try resolver.place(make(id: "p", strategy: "hybrid")).isolation == .schema)
        #expect(try resolver.place(make(id: "q", strategy: "hybrid")).isolation == .rls)
    }

    @Test(
        "a tenant that cannot be placed says why and what to do",
        arguments: [
            (make(strategy: "Schema"), "unknown_isolation_strategy"),
            (make(strategy: ""), "unknown_isolation_strategy"),
            (make(identifier: "Acme"), "invalid_identifier"),
            (make(identifier: "acme\n"), "invalid_identifier"),
            (make(identifier: #"a"; drop schema public"#), "invalid_identifier"),
            (make(schema: #"a"; drop schema public; --"#), "invalid_schema_name"),
            (make(schema: "pg_catalog"), "invalid_schema_name"),
            (
                make(identifier: "a" + String(repeating: "b", count: 62)),
                "invalid_schema_name"
            ),
            (
                make(identifier: "a" + String(repeating: "b", count: 62), strategy: "database"),
                "database_name_too_long"
            ),
            (make(id: "x@evil.example/", strategy: "database"), "unsafe_tenant_id"),
            (make(strategy: "database", url: "enc::sesame"), "encryption_key_missing"),
            (make(strategy: "database", url: "postgresql://u:sesame@h:x/"), "invalid_database_url"),
        ])
    func failures(tenant: Tenant, code: String) throws {
        let resolver = try resolver(
            #"{"database_url_template": "postgresql://h-{tenant_id}/{database_name}"}"#)
        let error = #expect(throws: PlacementError.self) { try resolver.place(tenant) }
        #expect(error?.code.rawValue == code)
        let description = error.map { "\($0)" } ?? ""
        #expect(description.hasPrefix("tenant \(tenant.identifier) (\(tenant.id)): "))
        #expect(!description.contains("sesame"))
    }

    @Test("an encrypted URL is opened with the configured key")
    func encrypted() throws {
        let key = "pDD6Fuuc1ACwqix7/4hiv8fl39g0flA7"
        let resolver = try resolver(#"{"encryption_key": "\#(key)"}"#)
        let stored =
            "enc::gAAAAABrA0iyk2oT1GI6wYmhhSwHD-xLSNqIScqYzfvjk15d1LRU_-QN2QwTxDqULKfbIEj6JSUTnn0Pm"
            + "rPtIkGMnEckM1pdxLPdRSmr2Vb1OtQdqHwNzuzArwGW9-APkVlp68jdBVgU"
        let tenant = make(strategy: "database", url: stored)
        #expect(try resolver.place(tenant).target.label == "h:5432/db_8")
        let cut = make(strategy: "database", url: String(stored.dropLast(4)))
        let error = #expect(throws: PlacementError.self) { try resolver.place(cut) }
        #expect(error?.code == .undecryptableDatabaseURL)
    }

    @Test("empty texts in a row are no values, as in fastapi-tenancy")
    func emptyTexts() throws {
        let resolver = try resolver(#"{"database_url": "postgresql://h/app/"}"#)
        let placed = try resolver.place(make(url: "", schema: ""))
        #expect(placed.target.label == "h:5432/app/tenant_acme_corp")
        #expect(
            try resolver.place(make(strategy: "database", url: "")).target.label == "h:5432/app")
    }

    @Test("the lock is the schema's, whatever the server is called, and never changes")
    func lockKeys() throws {
        func key(_ schema: String?, _ host: String = "h") throws -> Int64 {
            Target(
                connection: try ConnectionString.parse(Secret("host=\(host)")),
                schema: try schema.map { text throws(SchemaNameError) in try SchemaName(text) }
            ).lockKey
        }
        #expect(try key("tenant_a") == key("tenant_a", "alias"))
        #expect(try key("tenant_a") != key("tenant_b"))
        #expect(try key(nil) == key("public"))
        #expect(try key("tenant_a") == 1_678_670_974_914_618_492)
    }

    @Test(
        "a schema's name is checked",
        arguments: [
            ("tenant_a", nil), ("A-b.c$1", nil), ("7f3c", nil), ("public", nil),
            (String(repeating: "a", count: 63), nil), ("", .empty),
            (String(repeating: "a", count: 64), .tooLong(bytes: 64)), ("a b", .badCharacter),
            ("a\"b", .badCharacter), ("é", .badCharacter), ("a\0", .badCharacter),
            ("pg_toast", .reserved), ("information_schema", .reserved),
        ] as [(String, SchemaNameError?)])
    func schemaNames(text: String, expected: SchemaNameError?) {
        do throws(SchemaNameError) {
            let name = try SchemaName(text)
            #expect(expected == nil)
            #expect(name.quoted == "\"\(text)\"")
        } catch {
            #expect(error == expected)
        }
    }

    @Test(
        "a template is read as Python's format reads it",
        arguments: [
            ("x/{tenant_id}", "x/ID"), ("{database_name}?{{a}}", "DB?{a}"),
            ("{tenant_id}{database_name}{tenant_id}", "IDDBID"), ("{{{tenant_id}}}", "{ID}"),
        ])
    func templates(text: String, expected: String) throws {
        let template = try DatabaseURLTemplate(Secret(text))
        #expect(template.filled(tenantID: "ID", databaseName: "DB").reveal() == expected)
    }

    @Test(
        "a template without a place or with another is refused",
        arguments: [
            ("x", TemplateError.noPlaceholder), ("{{tenant_id}}", .noPlaceholder),
            ("{tenant_id}{", .unknownPlaceholder), ("{tenant_id!r}", .unknownPlaceholder),
            ("{}{tenant_id}", .unknownPlaceholder), ("}{tenant_id}", .unknownPlaceholder),
        ])
    func badTemplates(text: String, expected: TemplateError) {
        #expect(throws: expected) { try DatabaseURLTemplate(Secret(text)) }
    }
}
