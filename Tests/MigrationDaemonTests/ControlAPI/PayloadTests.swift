import Testing

@testable import ControlAPI
@testable import ControlStore
@testable import Fleet
@testable import JobModel
@testable import MigrationDaemon
@testable import PostgresClient
@testable import Revisions
@testable import Support
@testable import Tenants

@Suite struct PayloadTests {
    private static let start = Timestamp(milliseconds: 1_795_342_530_250)

    private func later(_ milliseconds: Int64) -> Timestamp {
        Timestamp(milliseconds: Self.start.milliseconds + milliseconds)
    }

    private func makeJob() throws -> JobSnapshot {
        let id = try #require(JobID("0197b0c4-5d1c-7aa0-b9b4-0a4c5e3c9f10"))
        let request = try JobRequest.read(
            ["operation": "upgrade", "comment": "release 2026.47"], defaults: JobDefaults())
        var job = JobSnapshot(
            id: id, request: request, resolvedTarget: ["a1c0ffee0005"], state: .queued,
            createdBy: "ci", createdAt: Self.start)
        job.counts.pending = 1_000
        return job
    }

    @Test("a job that waits")
    func queued() throws {
        try Golden.expect(try makeJob().json(now: later(5)), is: "job-queued.json")
    }

    @Test("a job that runs")
    func running() throws {
        var job = try makeJob()
        job.state = .running
        job.startedAt = later(10)
        job.counts.pending = 400
        job.counts.running = 10
        job.counts.succeeded = 580
        job.counts.skipped = 8
        job.counts.failed = 2
        job.version = 41
        job.firstErrors = [
            JobFailureNote(tenantID: "t-000017", identifier: "acme", error: "lock timeout")
        ]
        job.holds = [
            JobHold(reason: .serverUnavailable, since: later(90), detail: "db1.internal:5432")
        ]
        try Golden.expect(job.json(now: later(7_273)), is: "job-running.json")
    }

    @Test("a tag changes with the version, not with the time")
    func tag() throws {
        var job = try makeJob()
        let before = job.tag
        #expect(try makeJob().tag == before)
        job.version += 1
        #expect(job.tag != before)
    }

    @Test("results: failed, at base, planned")
    func results() throws {
        var failed = TenantResult(tenantID: "t-000017", identifier: "acme", state: .failed)
        failed.fromRevisions = ["a1c0ffee0003"]
        failed.toRevisions = ["a1c0ffee0003"]
        failed.attempts = 5
        failed.startedAt = Self.start
        failed.finishedAt = later(3_020)
        failed.durationMilliseconds = 3_020
        failed.failure = TenantFailure(
            code: .statement(.lockTimeout), message: "canceling statement due to lock timeout",
            sqlState: "55P03", revision: "a1c0ffee0004", statement: "ALTER TABLE ...",
            file: "0004_backfill.sql", line: 12, isRetryable: true,
            blockedBy: [
                BlockingSession(
                    pid: 4_711, query: "SELECT 1", state: "idle in transaction",
                    applicationName: "shop", ageMilliseconds: 90_000)
            ])
        var downgraded = TenantResult(tenantID: "t-2", identifier: "b", state: .succeeded)
        downgraded.fromRevisions = ["a", "b"]
        downgraded.toRevisions = []
        downgraded.steps = 2
        var planned = TenantResult(tenantID: "t-3", identifier: "c", state: .succeeded)
        planned.plannedRevisions = ["a1c0ffee0004", "a1c0ffee0005"]
        let pending = TenantResult(tenantID: "t-4", identifier: "d")
        let rows = [failed, downgraded, planned, pending].map(\.json)
        try Golden.expect(.array(rows), is: "results.json")
        let entry = HistoryEntry(
            job: try makeJob().id, operation: .downgrade, target: "base", dryRun: .none,
            result: downgraded)
        try Golden.expect(entry.json, is: "history-entry.json")
    }

    private func makeGraph() throws -> RevisionGraph {
        let script = StepScript(
            statements: [SQLStatement(text: "CREATE TABLE items (id bigint)", line: 9)])
        let concurrent = StepScript(
            statements: [SQLStatement(text: "CREATE INDEX CONCURRENTLY i ON items (id)", line: 4)],
            isTransactional: false)
        return try RevisionGraph([
            Revision(
                id: "aaaa", branchLabels: ["shop"], message: "items", upgrade: script,
                downgrade: script, file: "1.sql", checksum: "00"),
            Revision(
                id: "bbbb", downRevisions: ["aaaa"], upgrade: concurrent, file: "2.sql",
                checksum: "11"),
        ])
    }

    @Test("revisions, short and with their SQL")
    func revisions() throws {
        let graph = try makeGraph()
        let rows = graph.revisions.map { $0.json(in: graph) }
        try Golden.expect(.array(rows), is: "revisions.json")
        let detailed = try #require(graph["bbbb"]).detailedJSON(in: graph)
        try Golden.expect(detailed, is: "revision-detail.json")
    }

    @Test("a plan with its SQL")
    func plan() throws {
        let question = PlanQuestion(operation: .upgrade, target: nil, start: .rows([]))
        let answer = try question.answer(try makeGraph(), current: [], tenant: nil)
        try Golden.expect(answer, is: "plan.json")
    }

    @Test("a plan through a revision without a downgrade is refused before anything is touched")
    func planWithoutDowngrade() throws {
        let graph = try makeGraph()
        let question = PlanQuestion(operation: .downgrade, target: "base", start: .rows(["bbbb"]))
        #expect(throws: Problem.self) {
            try question.answer(graph, current: ["bbbb"], tenant: nil)
        }
        let stamp = PlanQuestion(operation: .stamp, target: "base", start: .rows(["bbbb"]))
        let answer = try stamp.answer(graph, current: ["bbbb"], tenant: nil)
        #expect(answer["steps"]?.arrayValue?.first?["script"]?.isNull == true)
    }

    @Test("a tenant shows where it lives and never how to log in there")
    func tenant() throws {
        let connection = try ConnectionString.parse(
            Secret("postgresql://app:hunter2@db.example:6432/shop"))
        let tenant = Tenant(
            id: "t-1", identifier: "acme", name: "Acme", status: .active,
            databaseURL: Secret("postgresql://app:hunter2@db.example:6432/shop"))
        let placement = Placement(
            isolation: .schema,
            target: Target(connection: connection, schema: try SchemaName("tenant_acme")))
        let record = TenantStatusRecord(
            tenantID: "t-1", revisions: ["aaaa"], readAt: Self.start,
            last: LastResults(
                migration: LastResult(
                    job: try makeJob().id, operation: .upgrade, state: .failed,
                    error: "lock timeout", finishedAt: later(10)),
                reading: LastResult(
                    job: nil, operation: nil, state: .succeeded, finishedAt: later(20))))
        let graph = try makeGraph()
        let known = TenantEntry(tenant: tenant, placement: .success(placement), status: record)
        let json = known.json(graph: graph)
        try Golden.expect(json, is: "tenant.json")
        #expect(!json.renderedString().contains("hunter2"))
        let unknown = TenantEntry(
            tenant: tenant, placement: .success(placement), status: nil)
        #expect(unknown.json(graph: graph)["behind"]?.isNull == true)
        #expect(unknown.json(graph: graph)["revisions"]?.isNull == true)
    }

    @Test("the fleet in numbers")
    func fleet() throws {
        var summary = FleetSummary(asOf: Self.start, heads: ["bbbb"])
        summary.total = 12
        summary.byStatus = ["suspended": 2, "active": 10]
        summary.byRevision = ["bbbb": 9, "": 2]
        summary.behind = 2
        summary.failedLastTime = 1
        summary.failedLastReading = 2
        summary.neverRead = 1
        try Golden.expect(summary.json, is: "fleet.json")
        let live = LiveRevision(
            current: [], heads: ["bbbb"], isHead: false, pending: 2, readAt: Self.start)
        let tenant = Tenant(id: "t-1", identifier: "acme", status: .active)
        try Golden.expect(live.json(of: tenant), is: "tenant-revision.json")
    }
}
