import Synchronization
import TestSupport
import Testing

@testable import JobModel
@testable import Scheduler
@testable import Tenants

@Suite(.timeLimit(.minutes(2))) struct TenantPagerTests {
    @Test("tenants that come and go between pages neither hide nor repeat another")
    func keyset() async throws {
        try await SchedulerRig.with(tenants: (1...7).map { "t0\($0)" }) { rig in
            let cursors = Mutex<[String?]>([])
            rig.registry.beforePage { cursor in
                cursors.withLock { $0.append(cursor) }
                // One that was read already goes, one that is still to be read comes.
                if cursor == "t02" {
                    _ = try? await rig.database.psql("DELETE FROM public.tenants WHERE id = 't01'")
                    try? await rig.add(["t055"])
                }
            }
            let member = try await rig.makeScheduler()
            let id = try await member.submit(makeRequest(pageSize: 2))
            let job = try #require(try await member.end(of: id))
            let expected = ["t01", "t02", "t03", "t04", "t05", "t055", "t06", "t07"]
            #expect(job.state == .succeeded && job.counts.total == 8)
            #expect(try await rig.migrated() == expected)
            #expect(cursors.withLock { $0 }.contains("t055"))
        }
    }

    @Test("a tenant that appears behind the cursor is migrated before the job ends")
    func behindTheCursor() async throws {
        try await SchedulerRig.with { rig in
            rig.registry.beforePage { cursor in
                if cursor == "t04" { try? await rig.add(["t00"]) }
            }
            let member = try await rig.makeScheduler()
            let id = try await member.submit(makeRequest(pageSize: 2))
            let job = try #require(try await member.end(of: id))
            #expect(job.state == .succeeded && job.counts.total == 6)
            #expect(try await rig.migrated() == ["t00", "t01", "t02", "t03", "t04", "t05"])
        }
    }

    @Test("tenants that share a target are migrated once and reported each", arguments: [1, 9])
    func sharedTarget(pageSize: Int) async throws {
        try await SchedulerRig.with(strategy: .rls) { rig in
            let member = try await rig.makeScheduler()
            let id = try await member.submit(makeRequest(pageSize: pageSize))
            let job = try #require(try await member.end(of: id))
            #expect(job.state == .succeeded)
            #expect(job.counts.succeeded + job.counts.skipped == 5 && job.counts.total == 5)
            #expect(try await rig.number("SELECT count(*) FROM public.runs") == 1)
            let results = try await member.scheduler.results(id, states: [], limit: 9)
            #expect(results.map(\.tenantID) == ["t01", "t02", "t03", "t04", "t05"])
            #expect(results.allSatisfy { $0.toRevisions == ["r1"] })
        }
    }

    @Test("a job takes no more tenants than its limit, the first ones in order")
    func limit() async throws {
        try await SchedulerRig.with { rig in
            let member = try await rig.makeScheduler()
            let id = try await member.submit(
                makeRequest(tenants: TenantSelection(limit: 3), pageSize: 2))
            #expect(try await member.end(of: id)?.counts.total == 3)
            #expect(try await rig.migrated() == ["t01", "t02", "t03"])
        }
    }
}
