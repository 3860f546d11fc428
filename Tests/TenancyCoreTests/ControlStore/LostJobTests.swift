import TestSupport
import Testing

@testable import ControlStore
@testable import Engine
@testable import JobModel

@Suite("Jobs that the control database lost, or that lost their replica", .timeLimit(.minutes(5)))
struct LostJobTests {
    @Test("who writes a job's state learns that its row is gone")
    func lostRow() async throws {
        try await SharedJob.with { store, id in
            let job = try #require(try await store.jobs.find(id))
            #expect(try await store.jobs.update(job, lease: makeLease()))
            // A lease that another has by now changes nothing, and loses nothing.
            #expect(try await store.jobs.update(job, lease: makeLease(7)))
            #expect(try await !store.jobs.update(makeJob(makeRequest()), lease: makeLease()))
        }
    }

    @Test("late results of a restored job are counted once, and its numbers still add up")
    func lateResults() async throws {
        try await SharedJob.with { store, _ in
            let running = makeJob(makeRequest(), state: .running)
            var job = running
            job.state = .failed
            job.stateReason = JobSnapshot.controlDatabaseRecreated
            job.finishedAt = job.createdAt
            job.counts.succeeded = 2
            job.counts.cancelled = 3
            try await store.restore(job, results: [], lease: makeLease(), migrations: "m")
            let assistant = JobLease(replica: SharedJob.replicas[1], epoch: 0, isAssistant: true)
            let results = [
                makeResult("a", .succeeded), makeResult("b", .failed), makeResult("c", .cancelled),
            ]
            // Sent again when the first answer was lost.
            for _ in 0..<2 {
                try await store.jobTenants.record(results, job: job.id, lease: assistant)
                let now = try #require(try await store.jobs.find(job.id))
                #expect(now.counts.succeeded == 3 && now.counts.failed == 1)
                #expect(now.counts.cancelled == 1 && now.counts.total == 5)
                #expect(now.state == .failed)
            }
            let events = try await store.jobTenants.events(of: job.id, after: 0, limit: 9)
            #expect(events.map(\.result.tenantID) == ["a", "b", "c"])
            #expect(
                try await store.tenantStatus.find(["a"])["a"]?.last.migration?.state == .succeeded)

            // More than were cancelled cannot have been in anybody's hands.
            try await store.jobTenants.record(
                [makeResult("d"), makeResult("e")], job: job.id, lease: assistant)
            #expect(try await store.jobs.find(job.id)?.counts.total == 5)
            #expect(try await store.jobs.find(job.id)?.counts.failed == 1)
        }
    }

    @Test("a job that was taken with other migrations is left to those who have them for a while")
    func otherMigrations() async throws {
        try await SharedJob.with { store, job in
            try await store.replicas.leave(SharedJob.replicas[0], jobs: [job])
            func taken(_ migrations: String, term: Duration) async throws -> Int {
                try await store.jobs.takeOverAbandoned(
                    by: SharedJob.replicas[1], migrations: migrations, leaseDuration: term
                ).count
            }
            #expect(try await taken("others", term: .seconds(3600)) == 0)
            #expect(try await taken("m", term: .zero) == 1)
            #expect(try await eventually { try await taken("others", term: .zero) == 1 })
        }
    }
}
