import TestSupport
import Testing

@testable import ControlStore
@testable import Engine
@testable import JobModel
@testable import Revisions
@testable import Support
@testable import Tenants

@Suite(.timeLimit(.minutes(5))) struct BuildPlaceTests {
    /// Runs `body` with a job and the steps of its tenants `a'"é` and `b`, which are both to build an index
    /// in one database.
    private func withTwoSteps(
        _ body: (ControlDatabase, JobID, JobJournal, Target, Target) async throws -> Void
    ) async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                let job = makeJob(makeRequest())
                _ = try await store.take(job, key: nil, caller: caller, lease: makeLease())
                let journal = JobJournal(table: store.stepJournal, job: job.id, lease: makeLease())
                let targets = (try makeTarget(1), try makeTarget(2))
                let tenants = [("a'\"é", targets.0), ("b", targets.1)]
                _ = try await store.jobTenants.claim(
                    tenants.map { makeClaim($0, target: $1.key) }, job: job.id, lease: makeLease())
                let step = UnfinishedStep(
                    revision: "r2", direction: .up, fromRows: ["r1"], toRows: ["r2"])
                for (tenant, target) in tenants {
                    try await journal.write(
                        step, of: target, tenants: [TenantName(id: tenant, identifier: tenant)])
                }
                try await body(store, job.id, journal, targets.0, targets.1)
            }
        }
    }

    @Test("a place that a target could not give back is the next one's once the target has ended")
    func ended() async throws {
        try await withTwoSteps { store, job, journal, first, second in
            #expect(try await journal.acquireBuildPlace(first))
            #expect(try await journal.acquireBuildPlace(first), "it is its own already")
            #expect(try await !journal.acquireBuildPlace(second), "the first one builds")
            // Neither giving it back nor removing the step came through.
            try await store.jobTenants.record(
                [makeResult("a'\"é", .succeeded)], job: job, lease: makeLease())
            #expect(try await journal.acquireBuildPlace(second))
            #expect(try await !journal.acquireBuildPlace(first))
        }
    }

    @Test("a target that waits for its next attempt keeps the place")
    func pending() async throws {
        try await withTwoSteps { _, _, journal, first, second in
            #expect(try await journal.acquireBuildPlace(first))
            #expect(try await !journal.acquireBuildPlace(second))
            try await journal.releaseBuildPlace(first)
            #expect(try await journal.acquireBuildPlace(second))
        }
    }
}
