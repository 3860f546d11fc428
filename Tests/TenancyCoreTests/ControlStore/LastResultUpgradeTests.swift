import TestSupport
import Testing

@testable import ControlStore
@testable import JobModel
@testable import PostgresClient
@testable import Support

/// What becomes of the last results of tenants when the tables of the release before get their
/// columns, and of what its daemons still write beside this release.
@Suite(.timeLimit(.minutes(5))) struct LastResultUpgradeTests {
    private static let moment = Timestamp(milliseconds: 1_795_342_530_250)

    /// Tables without the step that tells migrations from readings.
    private func makeOlderTables(_ database: TestDatabase) async throws {
        let steps = ControlSchema.steps.prefix(4).joined().replacing("$schema", with: "migrationd")
        try await database.psql(
            """
            CREATE SCHEMA migrationd;
            CREATE TABLE migrationd.schema_version (version integer NOT NULL);
            INSERT INTO migrationd.schema_version VALUES (4);
            \(steps)
            """)
    }

    /// Writes a job as the release before does, whose table has fewer columns.
    private func insertAsBefore(_ job: JobSnapshot, in database: TestDatabase) async throws {
        let names = JobRow.names.replacing(" holds,", with: "")
        let row = SQLText.literal(JobRow(job, lease: makeLease()).json.renderedString())
        try await database.psql(
            """
            INSERT INTO migrationd.jobs (\(names)) SELECT \(names) FROM
                jsonb_populate_record(NULL::migrationd.jobs, \(row)::jsonb
                    || jsonb_build_object('lease_until', now(), 'migrations', 'm'))
            """)
    }

    /// Writes a job's last result as the release before does, which knows one of any kind.
    private func note(
        _ tenant: String, _ job: JobSnapshot, _ state: TenantState, after seconds: Int,
        in database: TestDatabase
    ) async throws {
        let finished = Timestamp(milliseconds: Self.moment.milliseconds + Int64(seconds) * 1_000)
        let failure = state == .failed ? "'{\"message\": \"no room\"}'" : "NULL"
        try await database.psql(
            """
            INSERT INTO migrationd.job_tenants (job_id, tenant_id, identifier, state, steps,
                attempts, finished_at, failure, epoch)
            VALUES ('\(job.id)', '\(tenant)', '\(tenant)', '\(state)', 0, 1, '\(finished)',
                \(failure), 1);
            INSERT INTO migrationd.tenant_status AS s (tenant_id, identifier, revisions, read_at,
                last_job, last_state, last_error, last_finished_at)
            VALUES ('\(tenant)', '\(tenant)', '{r1}', '\(finished)', '\(job.id)', '\(state)',
                \(failure)::jsonb ->> 'message', '\(finished)')
            ON CONFLICT (tenant_id) DO UPDATE SET identifier = excluded.identifier,
                revisions = coalesce(excluded.revisions, s.revisions),
                read_at = coalesce(excluded.read_at, s.read_at), last_job = excluded.last_job,
                last_state = excluded.last_state, last_error = excluded.last_error,
                last_finished_at = excluded.last_finished_at
            """)
    }

    private func makeJob(_ request: JobRequest, after seconds: Int) -> JobSnapshot {
        TenancyCoreTests.makeJob(
            request, at: Timestamp(milliseconds: Self.moment.milliseconds + Int64(seconds) * 1_000))
    }

    private func expected(
        _ job: JobSnapshot, _ state: TenantState, after seconds: Int
    ) -> LastResult {
        LastResult(
            job: job.id, operation: job.request.operation, state: state,
            error: state == .failed ? "no room" : nil,
            finishedAt: Timestamp(milliseconds: Self.moment.milliseconds + Int64(seconds) * 1_000))
    }

    @Test("rows of the release before are carried over, and what a check had hidden is found again")
    func carriedOver() async throws {
        try await TestCluster.withDatabase { database in
            try await makeOlderTables(database)
            let upgrade = makeJob(makeRequest(), after: 1)
            let check = makeJob(makeRequest(.check, target: "heads"), after: 2)
            let dryRun = makeJob(makeRequest(dryRun: .plan), after: 3)
            let stopped = makeJob(makeRequest(), after: 4)
            let deleted = makeJob(makeRequest(), after: 5)
            try await database.withStore(prepared: false) { store in
                for job in [upgrade, check, dryRun, stopped, deleted] {
                    try await insertAsBefore(job, in: database)
                }
                for tenant in ["failed", "checked", "tried", "stopped"] {
                    try await note(tenant, upgrade, .failed, after: 1, in: database)
                }
                try await note("checked", check, .succeeded, after: 2, in: database)
                try await note("read", check, .failed, after: 2, in: database)
                try await note("tried", dryRun, .skipped, after: 3, in: database)
                try await note("stopped", stopped, .cancelled, after: 4, in: database)
                try await note("old", deleted, .failed, after: 5, in: database)
                try await database.psql(
                    """
                    DELETE FROM migrationd.jobs WHERE id = '\(deleted.id)';
                    INSERT INTO migrationd.tenant_status (tenant_id, identifier, revisions, read_at)
                    VALUES ('live', 'live', '{}', '\(Self.moment)')
                    """)
                #expect(try await store.prepare() == ControlSchema.steps.count - 4)
                let known = try await store.tenantStatus.find(
                    ["failed", "checked", "read", "tried", "stopped", "old", "live"])
                let failed = expected(upgrade, .failed, after: 1)
                #expect(known["failed"]?.last == LastResults(migration: failed))
                #expect(known["stopped"]?.last == LastResults(migration: failed))
                #expect(
                    known["checked"]?.last
                        == LastResults(
                            migration: failed, reading: expected(check, .succeeded, after: 2)))
                #expect(
                    known["tried"]?.last
                        == LastResults(
                            migration: failed, reading: expected(dryRun, .skipped, after: 3)))
                #expect(
                    known["read"]?.last
                        == LastResults(reading: expected(check, .failed, after: 2)))
                #expect(known["old"]?.last.migration?.state == .failed)
                #expect(known["old"]?.last.migration?.operation == nil)
                #expect(known["live"]?.last == LastResults() && known["live"]?.revisions == [])
            }
        }
    }

    @Test("what a daemon of the release before writes beside this one hides nothing")
    func besideOlder() async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                let jobs = [
                    makeJob(makeRequest(), after: 1), makeJob(makeRequest(.check), after: 2),
                    makeJob(makeRequest(.downgrade, target: "-1"), after: 3),
                    makeJob(makeRequest(.check), after: 4),
                ]
                for job in jobs {
                    _ = try await store.take(job, key: nil, caller: caller, lease: makeLease())
                }
                func last() async throws -> LastResults? {
                    try await store.tenantStatus.find(["a"])["a"]?.last
                }
                _ = try await store.jobTenants.claim(
                    [makeClaim("a")], job: jobs[0].id, lease: makeLease())
                try await store.jobTenants.record(
                    [makeResult("a", .failed)], job: jobs[0].id, lease: makeLease())
                let first = try await last()?.migration
                #expect(first?.state == .failed)

                try await note("a", jobs[1], .succeeded, after: 2, in: database)
                let checked = expected(jobs[1], .succeeded, after: 2)
                #expect(try await last() == LastResults(migration: first, reading: checked))

                // Its migration counts, and a reading of this release does not hide that one.
                try await note("a", jobs[2], .failed, after: 3, in: database)
                let downgraded = expected(jobs[2], .failed, after: 3)
                #expect(try await last()?.migration == downgraded)
                let read = makeClaim("a", .succeeded, from: ["r1"], to: ["r1"])
                _ = try await store.jobTenants.claim(
                    [read], of: jobs[3].request, job: jobs[3].id, lease: makeLease())
                #expect(try await last()?.migration == downgraded)
                #expect(try await last()?.reading?.job == jobs[3].id)
                #expect(
                    try await store.tenantStatus.suspectedFailures(limit: 9, after: nil) == ["a"])
            }
        }
    }
}
