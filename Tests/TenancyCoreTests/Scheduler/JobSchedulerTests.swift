import TestSupport
import Testing

@testable import JobModel
@testable import Scheduler
@testable import Support

@Suite(.timeLimit(.minutes(2))) struct JobSchedulerTests {
    @Test("a job ends with every tenant migrated once and recorded")
    func runs() async throws {
        try await SchedulerRig.with { rig in
            let member = try await rig.makeScheduler()
            let id = try await member.submit(makeRequest())
            let job = try #require(try await member.end(of: id))
            #expect(job.state == .succeeded && job.counts.succeeded == 5 && job.counts.total == 5)
            #expect(try await rig.migrated() == ["t01", "t02", "t03", "t04", "t05"])
            let recorded = try await rig.recorded(id)
            #expect(recorded.count == 5 && recorded.allSatisfy { $0.hasSuffix("succeeded") })
            // The same again finds nothing to do.
            let second = try await member.end(of: try await member.submit(makeRequest()))
            #expect(second?.counts.skipped == 5 && second?.state == .succeeded)
        }
    }

    @Test("no more jobs wait than the queue takes, and a place that is free again is given out")
    func queueBound() async throws {
        try await SchedulerRig.with { rig in
            let member = try await rig.makeScheduler(maxRunningJobs: 0, maxQueuedJobs: 2)
            let first = try await member.submit(makeRequest())
            _ = try await member.submit(makeRequest())
            do throws(SubmissionError) {
                _ = try await member.scheduler.submit(makeRequest(), caller: caller)
                Issue.record("a third job was taken")
            } catch {
                guard case .queueFull(limit: 2) = error else { throw error }
            }
            _ = try await member.scheduler.cancel(first, mode: .graceful, caller: caller)
            #expect(try await member.end(of: first)?.state == .cancelled)
            _ = try await member.submit(makeRequest())
        }
    }

    @Test("a paused job ends what runs and starts nothing until it is resumed")
    func pauses() async throws {
        try await SchedulerRig.with { rig in
            let member = try await rig.makeScheduler()
            var id: JobID?
            try await rig.withClosedGate {
                let job = try await member.submit(makeRequest(concurrency: 2, lockTimeout: 60_000))
                id = job
                #expect(try await rig.waitAtGate(2))
                let paused = try await member.scheduler.pause(job, caller: caller)
                #expect(paused.state == .paused)
            }
            let job = try #require(id)
            #expect(try await eventually { try await member.counts(of: job).succeeded == 2 })
            // Nothing announces that a worker has not begun; a worker would begin at once.
            try await Task.sleep(for: .milliseconds(100))
            let counts = try await member.counts(of: job)
            #expect(counts.pending == 3 && counts.running == 0)
            #expect(try await rig.migrated().count == 2)
            _ = try await member.scheduler.resume(job, caller: caller)
            #expect(try await member.end(of: job)?.counts.succeeded == 5)
        }
    }

    @Test(
        "a cancellation ends those that wait, and those that run as its mode says",
        arguments: [(CancelMode.graceful, 2, 3), (.immediate, 0, 5)])
    func cancels(mode: CancelMode, succeeded: Int, cancelled: Int) async throws {
        try await SchedulerRig.with { rig in
            let member = try await rig.makeScheduler()
            var id: JobID?
            try await rig.withClosedGate {
                let job = try await member.submit(makeRequest(concurrency: 2, lockTimeout: 60_000))
                id = job
                #expect(try await rig.waitAtGate(2))
                _ = try await member.scheduler.cancel(job, mode: mode, caller: caller)
                #expect(
                    try await eventually {
                        try await member.counts(of: job).cancelled == cancelled
                    })
            }
            let submitted = try #require(id)
            let job = try #require(try await member.end(of: submitted))
            #expect(job.state == .cancelled)
            #expect(job.counts.succeeded == succeeded && job.counts.cancelled == cancelled)
            #expect(try await rig.migrated().count == succeeded)
        }
    }

    @Test("a job whose replica is gone is taken over once its lease has expired")
    func adopts() async throws {
        try await SchedulerRig.with { rig in
            // Never started, it runs nothing and renews no lease.
            let dead = try await rig.makeScheduler(
                1, maxRunningJobs: 0, leaseDuration: .milliseconds(600), isStarted: false)
            let id = try await dead.submit(makeRequest())
            let member = try await rig.makeScheduler(2)
            #expect(
                try await eventually {
                    await member.scheduler.signals.leases.notify()
                    return await member.scheduler.runsHere(id)
                })
            #expect(try await member.end(of: id)?.counts.succeeded == 5)
            #expect(try await rig.migrated().count == 5)
            let lease = try await rig.lines(
                "SELECT lease_epoch > 1, right(lease_replica::text, 1) FROM migrationd.jobs")
            #expect(lease == ["t|2"])
        }
    }

    @Test("what a drained replica leaves is finished by the next, and nothing is done twice")
    func restarts() async throws {
        try await SchedulerRig.with { rig in
            let first = try await rig.makeScheduler(1)
            var id: JobID?
            try await rig.withClosedGate {
                let job = try await first.submit(makeRequest(concurrency: 2, lockTimeout: 60_000))
                id = job
                #expect(try await rig.waitAtGate(2))
                // One ends with the drain, the other tenants have not begun.
                _ = try await first.scheduler.pause(job, caller: caller)
            }
            let job = try #require(id)
            #expect(try await eventually { try await first.counts(of: job).succeeded == 2 })
            await first.scheduler.drain(timeout: .zero)
            let second = try await rig.makeScheduler(2)
            #expect(try await eventually { try await second.counts(of: job).succeeded == 2 })
            _ = try await second.scheduler.resume(job, caller: caller)
            let end = try #require(try await second.end(of: job))
            #expect(end.counts.succeeded == 5 && end.counts.total == 5)
            #expect(try await rig.migrated() == ["t01", "t02", "t03", "t04", "t05"])
        }
    }
}
