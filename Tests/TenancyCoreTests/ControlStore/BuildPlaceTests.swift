import TestSupport
import Testing

@testable import ControlStore
@testable import Engine
@testable import JobModel
@testable import Revisions
@testable import Support
@testable import Tenants

@Suite(.timeLimit(.minutes(5))) struct BuildPlaceTests {
    /// A step that is written down for the target, so that it can take the place.
    private func write(
        _ tenant: String, _ target: Target, in journal: JobJournal
    ) async throws {
        let step = UnfinishedStep(
            revision: "r2", direction: .up, fromRows: ["r1"], toRows: ["r2"])
        try await journal.write(
            step, of: target, tenants: [TenantName(id: tenant, identifier: tenant)])
    }

    @Test("a place that a target could not give back is the next one's once the target has ended")
    func ended() async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                let job = makeJob(makeRequest())
                _ = try await store.take(job, key: nil, caller: caller, lease: makeLease())
                let journal = JobJournal(table: store.stepJournal, job: job.id, lease: makeLease())
                let (first, second) = (try makeTarget(1), try makeTarget(2))
                _ = try await store.jobTenants.claim(
                    [
                        makeClaim("a'\"é", target: first.key),
                        makeClaim("b", target: second.key),
                    ], job: job.id, lease: makeLease())
                try await write("a'\"é", first, in: journal)
                try await write("b", second, in: journal)
                #expect(try await journal.acquireBuildPlace(first))
                #expect(try await journal.acquireBuildPlace(first), "it is its own already")
                #expect(try await !journal.acquireBuildPlace(second), "the first one builds")
                // Neither giving it back nor removing the step came through.
                try await store.jobTenants.record(
                    [makeResult("a'\"é", .succeeded)], job: job.id, lease: makeLease())
                #expect(try await journal.acquireBuildPlace(second))
                #expect(try await !journal.acquireBuildPlace(first))
            }
        }
    }

    @Test("a target that waits for its next attempt keeps the place")
    func pending() async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                let job = makeJob(makeRequest())
                _ = try await store.take(job, key: nil, caller: caller, lease: makeLease())
                let journal = JobJournal(table: store.stepJournal, job: job.id, lease: makeLease())
                let (first, second) = (try makeTarget(1), try makeTarget(2))
                _ = try await store.jobTenants.claim(
                    [makeClaim("a", target: first.key), makeClaim("b", target: second.key)],
                    job: job.id, lease: makeLease())
                try await write("a", first, in: journal)
                try await write("b", second, in: journal)
                #expect(try await journal.acquireBuildPlace(first))
                #expect(try await !journal.acquireBuildPlace(second))
                try await journal.releaseBuildPlace(first)
                #expect(try await journal.acquireBuildPlace(second))
            }
        }
    }
}
