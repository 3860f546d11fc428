import Testing

@testable import Support
@testable import Tenants

private let rule = IsolationRule(
    strategy: .hybrid, premiumTenants: ["t-3"], premium: .database, standard: .rls)

private func registry(_ text: String) throws(RegistryError) -> StaticTenantRegistry {
    try StaticTenantRegistry.parse(Array(text.utf8), rule: rule)
}

private let fleet = """
    {"tenants": [
      {"id": "t-3", "identifier": "initech", "metadata": {"plan": "pro", "seats": 5}},
      {"id": "t-10", "identifier": "acme-eu", "metadata": {"plan": "pro"}},
      {"id": "T-1", "identifier": "acme", "status": "suspended", "name": null},
      {"id": "é", "identifier": "umlaut", "status": "paused", "isolation_strategy": "schema"},
      {"id": "t-1", "identifier": "acme-us", "metadata": {"plan": {"a": 1, "b": [2]}}}
    ]}
    """

@Suite struct StaticTenantRegistryTests {
    @Test("pages follow the bytes of the ids, each tenant once")
    func pages() async throws {
        let registry = try registry(fleet)
        var ids: [String] = []
        var after: String?
        while true {
            let page = try await registry.page(after: after, limit: 2, filter: RegistryFilter())
            #expect(page.count <= 2)
            guard let last = page.last else { break }
            ids += page.map(\.id)
            after = last.id
        }
        #expect(ids == ["T-1", "t-1", "t-10", "t-3", "é"])
        let rest = try await registry.page(after: "t-2", limit: 9, filter: RegistryFilter())
        #expect(rest.map(\.id) == ["t-3", "é"])
    }

    @Test(
        "every condition of a filter must hold",
        arguments: [
            (RegistryFilter(), ["T-1", "t-1", "t-10", "t-3", "é"]),
            (RegistryFilter(ids: ["t-3", "acme", "nobody"]), ["T-1", "t-3"]),
            (RegistryFilter(ids: []), []),
            (RegistryFilter(match: try? Glob("acme-*")), ["t-1", "t-10"]),
            (RegistryFilter(statuses: [.active]), ["t-1", "t-10", "t-3"]),
            (RegistryFilter(statuses: [TenantStatus(rawValue: "paused")]), ["é"]),
            (RegistryFilter(isolations: [.database, .schema]), ["t-3", "é"]),
            (RegistryFilter(metadata: ["plan": "pro"]), ["t-10", "t-3"]),
            (RegistryFilter(metadata: ["plan": "pro", "seats": 5.0]), ["t-3"]),
            (RegistryFilter(metadata: ["plan": ["b": [2], "a": 1]]), ["t-1"]),
            (RegistryFilter(metadata: ["plan": ["a": 1]]), []),
            (RegistryFilter(metadata: ["seats": nil]), []),
            (
                RegistryFilter(
                    match: try? Glob("*"), statuses: [.active], metadata: ["plan": "pro"]),
                ["t-10", "t-3"]
            ),
        ] as [(RegistryFilter, [String])])
    func filters(filter: RegistryFilter, expected: [String]) async throws {
        let registry = try registry(fleet)
        let page = try await registry.page(after: nil, limit: 100, filter: filter)
        #expect(page.map(\.id) == expected)
        #expect(try await registry.count(filter) == expected.count)
    }

    @Test("tenants are found by id and by identifier")
    func find() async throws {
        let found = try await registry(fleet).find(["acme", "t-3", "nobody"])
        #expect(found.map(\.id) == ["T-1", "t-3"])
    }

    @Test(
        "a file that is wrong says everything that is wrong",
        arguments: [
            ("{", "expected a member's name at byte 1"), ("{}", "tenants is required"),
            (
                #"{"tenants": [{"id": "a", "identifier": "b"}, {"id": "a", "identifier": "b"}]}"#,
                "tenants[1] has the id of another tenant; "
                    + "tenants[1] has the identifier of another tenant"
            ),
            (
                #"{"tenants": [{"id": "", "identifer": "b", "isolation_strategy": "x"}]}"#,
                "tenants[0].id must have 1 to 255 characters; tenants[0].identifier is required; "
                    + #"tenants[0].isolation_strategy must be one of "schema", "database", "rls", "#
                    + #""hybrid"; tenants[0].identifer is not known; did you mean "identifier"?"#
            ),
        ])
    func wrong(text: String, expected: String) {
        let error = #expect(throws: RegistryError.self) { try registry(text) }
        #expect(error == .invalid(reason: expected))
    }
}
