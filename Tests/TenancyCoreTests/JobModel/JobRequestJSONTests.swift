import JobModel
import Support
import Tenants
import Testing

@Suite struct JobRequestJSONTests {
    private let defaults = JobDefaults(
        concurrency: 7, pageSize: 50, lockTimeoutMilliseconds: 1_500,
        statementTimeoutMilliseconds: 60_000, maxAttempts: 3)

    private func read(_ body: JSONValue) throws -> JobRequest {
        try JobRequest.read(body, defaults: defaults)
    }

    private func issues(_ body: JSONValue) -> [String] {
        do throws(FieldIssues) {
            _ = try JobRequest.read(body, defaults: defaults)
            return []
        } catch {
            return error.issues.map { "\($0.pointer) \($0.detail)" }
        }
    }

    @Test("what is left out takes its default, and what is null as well")
    func fillsDefaults() throws {
        let short = try read(["operation": "upgrade"])
        #expect(short.target == "head")
        #expect(short.tenants == TenantSelection())
        #expect(short.concurrency == 7)
        #expect(short.pageSize == 50)
        #expect(short.lockTimeoutMilliseconds == 1_500)
        #expect(short.statementTimeoutMilliseconds == 60_000)
        #expect(short.maxAttempts == 3)
        #expect(short.dryRun == .none)
        #expect(short.comment == nil)
        let nulls: JSONValue = [
            "operation": "upgrade", "target": nil, "tenants": nil, "concurrency": nil,
            "page_size": nil, "lock_timeout_ms": nil, "statement_timeout_ms": nil,
            "max_attempts": nil, "dry_run": nil, "allow_empty": nil, "rollout": nil, "comment": nil,
        ]
        #expect(try read(nulls) == short)
    }

    @Test(
        "metadata that PostgreSQL cannot hold is refused where it stands",
        arguments: [
            (["a": "x\0y"], ["/tenants/metadata/a must not contain the character U+0000"]),
            (["a\0": 1], ["/tenants/metadata has a member's name with U+0000"]),
            (
                ["a": [1, ["b": "\0"]]],
                [
                    "/tenants/metadata/a/1/b must not contain the character U+0000"
                ]
            ),
            ([:], []), (["a": [nil, true, 1.5, "x"]], []),
        ] as [(JSONValue, [String])])
    func storableMetadata(metadata: JSONValue, expected: [String]) {
        let body: JSONValue = ["operation": "check", "tenants": ["metadata": metadata]]
        #expect(issues(body) == expected)
    }

    @Test("metadata has a bound of members")
    func metadataCount() {
        let members = (0...1_000).map { ("k\($0)", JSONValue.null) }
        let metadata = JSONValue.object(JSONObject(uniqueMembers: members))
        #expect(
            issues(["operation": "check", "tenants": ["metadata": metadata]])
                == ["/tenants/metadata must have at most 1000 members"])
    }

    @Test(
        "each operation has its own default target",
        arguments: [
            ("upgrade", "head"), ("downgrade", "-1"), ("stamp", "head"), ("check", "heads"),
        ])
    func defaultTarget(operation: String, target: String) throws {
        #expect(try read(["operation": .string(operation)]).target == target)
    }

    @Test("a request reads back from what it is stored as")
    func roundTrip() throws {
        let request = try read([
            "operation": "downgrade", "target": "base",
            "tenants": [
                "ids": ["a", "b"], "match": "ac*", "status": ["active", "suspended"],
                "isolation": "database", "metadata": ["plan": "x", "seats": 3],
                "behind_only": true, "limit": 9,
            ],
            "concurrency": 1, "page_size": 2, "lock_timeout_ms": 0, "statement_timeout_ms": 4,
            "max_attempts": 5, "dry_run": "plan", "allow_empty": true, "rollout": [:],
            "comment": "x",
        ])
        #expect(try JobRequest.read(request.json, defaults: JobDefaults()) == request)
        #expect(request.tenants.match?.description == "ac*")
        #expect(request.tenants.isolation == .database)
        #expect(request.tenants.metadata?["seats"] == 3)
    }

    @Test("the stored form has every member, null where nothing is set")
    func storedForm() throws {
        let expected = """
            {"operation":"check","target":"heads","tenants":{"ids":null,"match":null,\
            "status":["active"],"isolation":null,"metadata":null,"behind_only":false,\
            "limit":null},"concurrency":7,"page_size":50,"lock_timeout_ms":1500,\
            "statement_timeout_ms":60000,"max_attempts":3,"dry_run":"none",\
            "allow_empty":false,"rollout":null,"comment":null}
            """
        let json = try read(["operation": "check"]).json
        #expect(try JSONValue.parse(Array(expected.utf8)) == json)
    }

    static let wrong: [(String, JSONValue, [String])] = [
        ("no object", ["x"], [" must be an object"]),
        ("no operation", [:], ["/operation is required"]),
        (
            "features of a later version",
            ["operation": "adopt", "dry_run": "rehearse", "rollout": ["canary": ["a"]]],
            [
                "/operation \"adopt\" is not offered by this version",
                "/dry_run \"rehearse\" is not offered by this version",
                "/rollout is not offered by this version: leave it out or null",
            ]
        ),
        (
            "words that nobody knows, with those of this version",
            ["operation": "fly", "dry_run": "maybe"],
            [
                "/operation must be one of \"upgrade\", \"downgrade\", \"stamp\", \"check\"",
                "/dry_run must be one of \"none\", \"plan\"",
            ]
        ),
        (
            "ranges",
            [
                "operation": "upgrade", "concurrency": 0, "page_size": 1_001,
                "max_attempts": 101, "lock_timeout_ms": -1,
            ],
            [
                "/lock_timeout_ms must be between 0 and 2147483647",
                "/max_attempts must be between 1 and 100",
                "/concurrency must be between 1 and 1000",
                "/page_size must be between 1 and 1000",
            ]
        ),
        (
            "unknown members, at every depth",
            ["operation": "upgrade", "tenants": ["matches": "x"], "targt": "head"],
            ["/tenants/matches is not known", "/targt is not known"]
        ),
        (
            "wrong types inside the selection",
            [
                "operation": "upgrade",
                "tenants": [
                    "ids": ["a", 1], "status": [], "isolation": "hybrid", "metadata": [],
                    "match": "a[b]", "limit": 0,
                ],
            ],
            [
                "/tenants/ids/1 must be a string",
                "/tenants/match must not contain [",
                "/tenants/status must have 1 to 20 items",
                "/tenants/isolation must be one of \"schema\", \"database\", \"rls\"",
                "/tenants/metadata must be an object",
                "/tenants/limit must be between 1 and 10000000",
            ]
        ),
    ]

    @Test("everything that is wrong is said at once", arguments: wrong)
    func refuses(name: String, body: JSONValue, expected: [String]) {
        let found = issues(body)
        #expect(found.count == expected.count, "\(name): \(found)")
        for (one, other) in zip(found, expected) { #expect(one.hasPrefix(other), "\(name)") }
    }

    @Test("a request for one tenant takes the options that mean something for one")
    func oneTenant() throws {
        let selection = TenantSelection(ids: ["t"], status: ["suspended"])
        let request = try JobRequest.read(
            ["target": "+1", "comment": "hand"], operation: .upgrade, tenants: selection,
            defaults: defaults)
        #expect(request.target == "+1")
        #expect(request.tenants == selection)
        #expect(request.comment == "hand")
        #expect(throws: FieldIssues.self) {
            try JobRequest.read(
                ["concurrency": 2], operation: .upgrade, tenants: selection, defaults: defaults)
        }
    }
}
