import TestSupport
import Testing

@testable import JobModel
@testable import PostgresClient
@testable import Scheduler
@testable import Support

@Suite(.timeLimit(.minutes(2))) struct JobRunnerTests {
    @Test("a tenant that stays locked fails after its attempts, and the others do not")
    func attempts() async throws {
        try await SchedulerRig.with { rig in
            let member = try await rig.makeScheduler()
            try await rig.withLocked("t02") {
                let id = try await member.submit(makeRequest(lockTimeout: 50, maxAttempts: 2))
                let job = try #require(try await member.end(of: id))
                #expect(job.state == .failed)
                #expect(job.counts.failed == 1 && job.counts.succeeded == 4)
                let results = try await member.scheduler.results(id, states: [.failed], limit: 9)
                let failed = try #require(results.first)
                #expect(failed.tenantID == "t02" && failed.attempts == 2)
                #expect(failed.failure?.code == .statement(.lockTimeout))
            }
        }
    }

    @Test("a deferred tenant holds up nobody, backs off, and is migrated once its lock is free")
    func deferral() async throws {
        try await SchedulerRig.with { rig in
            let member = try await rig.makeScheduler()
            var id: JobID?
            try await rig.withLocked("t01") {
                let job = try await member.submit(
                    makeRequest(concurrency: 1, lockTimeout: 50, maxAttempts: 9))
                id = job
                #expect(try await eventually { try await member.counts(of: job).succeeded == 4 })
                // Between its attempts it is pending, and says what the last one failed of.
                #expect(
                    try await eventually {
                        let waiting = try await member.scheduler.results(
                            job, states: [.pending], limit: 9)
                        return waiting.map(\.tenantID) == ["t01"]
                            && waiting.first?.failure?.code == .statement(.lockTimeout)
                    })
            }
            let job = try #require(id)
            #expect(try await member.end(of: job)?.counts.succeeded == 5)
            #expect(try await rig.recorded(job).last == "t01 succeeded")
            let result = try #require(
                try await member.scheduler.results(job, states: [], limit: 9).first)
            #expect(result.tenantID == "t01" && result.attempts >= 2)
            let start = try #require(result.startedAt)
            let end = try #require(result.finishedAt)
            // The shortest pause after a first failure.
            #expect(end.milliseconds(since: start) >= 250)
        }
    }
}

extension SchedulerRig {
    /// Holds what the tenant's migration will need while `body` runs: its version table.
    func withLocked(_ tenant: String, _ body: () async throws -> Void) async throws {
        let table = "tenant_\(tenant).alembic_version"
        try await database.psql("CREATE TABLE \(table) (version_num varchar(32) PRIMARY KEY)")
        let session = try await database.connect()
        _ = try await session.execute(
            "BEGIN; LOCK TABLE \(table) IN EXCLUSIVE MODE", deadline: .after(.seconds(9)))
        do {
            try await body()
        } catch {
            await session.close()
            throw error
        }
        await session.close()
    }
}
