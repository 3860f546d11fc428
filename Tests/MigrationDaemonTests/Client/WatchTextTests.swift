import Support
import Testing

@testable import MigrationDaemon

/// What is said of a job while it stands still, and at its end.
@Suite struct WatchTextTests {
    private func job(_ state: String, failed: Int = 0, errors: [JSONValue] = []) throws
        -> JobProgress
    {
        try #require(
            JobProgress([
                "id": "j", "operation": "upgrade", "target": "head", "state": .string(state),
                "counts": ["total": 40, "failed": JSONValue(failed)],
                "first_errors": .array(errors),
            ]))
    }

    static let blocked: JSONValue = [
        "identifier": "acme", "state": "pending",
        "last_retry": [
            "error": "canceling statement due to lock timeout", "code": "lock_timeout",
            "blocked_by": [
                [
                    "pid": 4711, "query": "SELECT 1", "state": "idle in transaction",
                    "application_name": "psql", "age_ms": 90_500,
                ]
            ],
        ],
    ]
    static let away: JSONValue = [
        "identifier": "beta", "state": "pending",
        "last_retry": ["error": "no server here", "code": "server_unavailable", "blocked_by": []],
    ]
    static let deferred: JSONValue = [
        "identifier": "echo", "state": "pending", "error": "deadlock detected",
        "error_detail": ["code": "deadlock", "blocked_by": []], "last_retry": nil,
    ]
    static let running: JSONValue = ["identifier": "core", "state": "running", "last_retry": nil]
    static let building: JSONValue = [
        "identifier": "dino", "state": "running",
        "progress": ["phase": "building index", "unit": "blocks", "done": 3, "total": 9],
    ]

    private static let held =
        "acme: lock_timeout, held by pid 4711 (psql, idle in transaction, for 90 s)"

    @Test(
        "what a job waits for is said in a line",
        arguments: [
            ("running", [blocked], held),
            (
                "running", [running, away, away],
                "beta and 1 other: server_unavailable, no server here"
            ),
            ("running", [away, blocked], held),
            ("running", [building, running], "dino: building index 3/9 blocks"),
            ("running", [running, running, running], "core and 2 others still running"),
            ("running", [running, deferred], "echo: deadlock, deadlock detected"),
            ("running", [], "no tenant has ended for a while"),
            (
                "queued", [],
                "waiting for other jobs to end (scheduler.max_running_jobs)"
            ),
            ("paused", [running], "paused; to continue: migrationd job resume j"),
        ] as [(String, [JSONValue], String)])
    func reason(state: String, tenants: [JSONValue], expected: String) throws {
        #expect(WaitReason.text(try job(state), tenants) == expected)
    }

    @Test("failures are told with code, place and hint, and the rest is counted")
    func failures() throws {
        let result: JSONValue = [
            "identifier": "acme", "error": "relation \"x\" does not exist",
            "error_detail": [
                "code": "statement_failed", "sqlstate": "42P01", "revision": "a3",
                "file": "3.sql", "line": 12, "hint": "look there",
            ],
        ]
        let bare: JSONValue = ["identifier": "beta", "error": "gone", "error_detail": nil]
        let ended = try job("failed", failed: 2)
        #expect(
            JobSummary.failures(ended, [result, bare]) == [
                "  acme: relation \"x\" does not exist",
                "    statement_failed, 42P01, revision a3, 3.sql:12", "    hint: look there",
                "  beta: gone",
            ])
        let many = JobSummary.failures(
            try job("failed", failed: 33), Array(repeating: bare, count: 11))
        #expect(many.count == 11)
        #expect(many.last == "  23 more failed: migrationd job results j --state failed")
        // The results could not be read.
        let notes: [JSONValue] = [["identifier": "acme", "error": "gone"]]
        #expect(
            JobSummary.failures(try job("failed", failed: 2, errors: notes), []) == [
                "  acme: gone", "  1 more failed: migrationd job results j --state failed",
            ])
    }

    @Test("tenants with the same plan are told together, the most first")
    func plans() {
        var summary = PlanSummary()
        func result(_ name: String, _ plan: JSONValue) -> JSONValue {
            ["identifier": .string(name), "plan": plan]
        }
        summary.add([result("z", []), result("failed", nil)])
        summary.add((1...7).map { result("t\($0)", ["a1", "a2"]) })
        #expect(summary.behind == 7)
        #expect(
            summary.lines(nothing: "nothing to do") == [
                "7 tenants: a1, a2", "  t1, t2, t3, t4, t5 and 2 more", "1 tenant: nothing to do",
                "  z",
            ])
    }

    @Test("a table is as wide as its first page, and a cell is one line")
    func table() {
        var table = TextTable([
            TableColumn("NAME", key: "name"), TableColumn("ROWS") { JSONText.rows($0["rows"]) },
            TableColumn("NOTE", key: "note"),
        ])
        #expect(
            table.lines([
                ["name": "acme\n", "rows": ["a", "b"], "note": nil],
                ["name": "b", "rows": [], "note": "x"],
            ]) == ["NAME    ROWS  NOTE", "acme\\n  a,b   -", "b       base  x"])
        #expect(
            table.lines([["name": "a longer one", "note": "\u{1B}"]])
                == ["a longer one  ?     \\u001b"])
    }

    @Test("a log gets no line twice, and a job that stands still is explained")
    func screen() throws {
        var screen = WatchScreen(isTerminal: false, isSilent: true)
        let start = ContinuousClock.now
        let running = try job("running")
        screen.observe(running, at: start)
        #expect(!screen.wantsReason(of: running, at: start + .seconds(60)))
        screen = WatchScreen(isTerminal: false, isSilent: false)
        screen.observe(running, at: start)
        #expect(!screen.wantsReason(of: running, at: start + .seconds(2)))
        #expect(screen.wantsReason(of: running, at: start + .seconds(3)))
        screen.explain("x", at: start + .seconds(3))
        #expect(!screen.wantsReason(of: running, at: start + .seconds(7)))
        #expect(screen.wantsReason(of: running, at: start + .seconds(8)))
        let moved = try job("running", failed: 1)
        screen.observe(moved, at: start + .seconds(8))
        #expect(!screen.wantsReason(of: moved, at: start + .seconds(9)))
    }
}
