import TestSupport
import Testing

@testable import JobModel
@testable import Scheduler
@testable import Tenants

@Suite(.timeLimit(.minutes(2))) struct PageRecorderTests {
    @Test("every tenant is in the tables before anything is done to it")
    func claimsFirst() async throws {
        try await SchedulerRig.with { rig in
            let member = try await rig.makeScheduler()
            let id = try await member.submit(makeRequest(pageSize: 2))
            #expect(try await member.end(of: id)?.counts.succeeded == 5)
            #expect(try await rig.number("SELECT count(*) FROM public.runs WHERE was_claimed") == 5)
        }
    }

    @Test("a tenant whose target has ended gets its outcome, and nothing is done again")
    func endedTarget() async throws {
        try await SchedulerRig.with(tenants: ["t01", "t02", "t03"], strategy: .rls) { rig in
            // The last page comes when the target of all three has ended; the second is read while the
            // first is recorded.
            rig.registry.beforePage { cursor in
                guard cursor == "t02" else { return }
                _ = try? await eventually {
                    try await rig.number(
                        "SELECT count(*) FROM migrationd.job_tenants WHERE state = 'succeeded'") > 0
                }
            }
            let member = try await rig.makeScheduler()
            let id = try await member.submit(makeRequest(pageSize: 1))
            #expect(try await member.end(of: id)?.counts.succeeded == 3)
            #expect(
                try await rig.recorded(id).sorted() == [
                    "t01 succeeded", "t02 succeeded", "t03 succeeded",
                ])
            #expect(try await rig.number("SELECT count(*) FROM public.runs") == 1)
        }
    }
}

@Suite(.timeLimit(.minutes(2))) struct ResultRecorderTests {
    @Test("results that end while the control database is away are recorded when it is back")
    func outage() async throws {
        try await SchedulerRig.with { rig in
            let member = try await rig.makeScheduler()
            var id: JobID?
            try await rig.withClosedGate {
                let job = try await member.submit(makeRequest(concurrency: 5, lockTimeout: 60_000))
                id = job
                #expect(try await rig.waitAtGate(5))
                member.proxy.block()
            }
            let job = try #require(id)
            #expect(try await eventually { try await rig.migrated().count == 5 })
            #expect(try await rig.recorded(job).allSatisfy { $0.hasSuffix("pending") })
            member.proxy.unblock()
            #expect(try await member.end(of: job)?.counts.succeeded == 5)
            let recorded = try await rig.recorded(job)
            #expect(recorded.count == 5 && recorded.allSatisfy { $0.hasSuffix("succeeded") })
        }
    }
}
