import TestSupport
import Testing

@testable import JobModel
@testable import Scheduler

/// `JobLeader` and `JobAssistant`: replicas on one control database.
@Suite(.timeLimit(.minutes(2))) struct JobSharingTests {
    private static let tenants = (10..<34).map { "t\($0)" }

    private func request(concurrency: Int) -> JobRequest {
        makeRequest(concurrency: concurrency, pageSize: 50, lockTimeout: 60_000)
    }

    @Test("two replicas share a job, and together never exceed its concurrency")
    func shares() async throws {
        try await SchedulerRig.with(tenants: Self.tenants, sleep: 0.1) { rig in
            let (first, second) = try await rig.makePair()
            let id = try await first.submit(request(concurrency: 4))
            let job = try #require(try await first.end(of: id))
            #expect(job.state == .succeeded && job.counts.succeeded == 24)
            #expect(job.counts.total == 24)
            #expect(try await rig.migrated() == Self.tenants)
            let helped = try await rig.number(
                "SELECT count(*) FROM migrationd.job_tenants WHERE worker IS NOT NULL")
            #expect(helped > 0 && helped < 24)
            let most = try await rig.number(
                """
                SELECT max(n) FROM (SELECT (SELECT count(*) FROM public.runs AS b
                    WHERE b.started <= a.started AND b.ended > a.started) AS n
                    FROM public.runs AS a) AS counted
                """)
            #expect(most > 1 && most <= 4)
            // The assistant sees the same end.
            #expect(try await second.end(of: id)?.counts == job.counts)
        }
    }

    @Test("a replica that leads elsewhere carries out what it is asked, wherever it is asked")
    func controls() async throws {
        try await SchedulerRig.with(tenants: Self.tenants) { rig in
            let (first, second) = try await rig.makePair()
            var id: JobID?
            try await rig.withClosedGate {
                let job = try await first.submit(request(concurrency: 2))
                id = job
                #expect(try await rig.waitAtGate(2))
                let paused = try await second.scheduler.pause(job, caller: caller)
                #expect(paused.state == .paused)
                #expect(try await first.scheduler.snapshot(job)?.state == .paused)
                _ = try await second.scheduler.cancel(job, mode: .immediate, caller: caller)
                // What runs is rolled back at once and not by the time it would take.
                #expect(try await eventually { try await rig.waitingAtGate() == 0 })
            }
            let submitted = try #require(id)
            let job = try #require(try await first.end(of: submitted))
            #expect(job.state == .cancelled && job.counts.cancelled == 24)
            #expect(try await rig.migrated().isEmpty)
        }
    }

    @Test("what a dead assistant had in progress is done by the leader, once")
    func assistantDies() async throws {
        let tenants = (10..<50).map { "t\($0)" }
        try await SchedulerRig.with(tenants: tenants, sleep: 0.1) { rig in
            let (first, second) = try await rig.makePair(leaseDuration: .seconds(4))
            let inProgress =
                "SELECT count(*) FROM migrationd.job_tenants WHERE worker IS NOT NULL "
                + "AND state = 'pending'"
            let id = try await first.submit(request(concurrency: 4))
            // With the gate closed from the start the leader would have all of the concurrency.
            #expect(try await eventually { try await rig.number(inProgress) > 0 })
            try await rig.withClosedGate {
                let isBusy = try await rig.waitAtGate(4)
                #expect(isBusy)
                #expect(try await rig.number(inProgress) > 0)
                second.proxy.block()
                // It rolls back what runs before its lease is anybody else's.
                #expect(try await eventually { try await rig.waitingAtGate() < 4 })
            }
            let job = try #require(try await first.end(of: id))
            #expect(job.state == .succeeded && job.counts.succeeded == 40)
            #expect(try await rig.migrated() == tenants)
        }
    }

    @Test("a replica that takes over a job counts what it still does of it as an assistant")
    func succeeds() async throws {
        let tenants = (10..<50).map { "t\($0)" }
        try await SchedulerRig.with(tenants: tenants, sleep: 0.1) { rig in
            let (first, second) = try await rig.makePair(leaseDuration: .seconds(4))
            let id = try await first.submit(request(concurrency: 4))
            let isShared = try await eventually {
                try await rig.number(
                    "SELECT count(*) FROM migrationd.job_tenants WHERE worker IS NOT NULL "
                        + "AND state = 'pending'") > 0
            }
            #expect(isShared)
            try await rig.withClosedGate {
                #expect(try await rig.waitAtGate(4))
                first.proxy.block()
                let isLeading = try await eventually { await second.scheduler.runsHere(id) }
                #expect(isLeading)
                // The leader asks for its quota and starts what it may within a second.
                let until = ContinuousClock.now + .seconds(2)
                while ContinuousClock.now < until {
                    let waiting = try await rig.waitingAtGate()
                    try #require(waiting <= 4)
                }
                #expect(try await rig.waitingAtGate() == 4)
            }
            // The assistant ends now, and what the replica may do of the job stays in the tables.
            let own =
                "SELECT count(*) FROM migrationd.job_shares WHERE replica = "
                + "(SELECT lease_replica FROM migrationd.jobs)"
            while try await second.counts(of: id).succeeded < 30 {
                try #require(try await rig.number(own) == 1)
            }
            let job = try #require(try await second.end(of: id))
            #expect(job.state == .succeeded && job.counts.succeeded == 40)
            #expect(try await rig.migrated() == tenants)
        }
    }

    @Test("a leader that is cut off steps down, and its job is taken over where it was")
    func leaderDies() async throws {
        try await SchedulerRig.with(tenants: Self.tenants) { rig in
            let (first, second) = try await rig.makePair(leaseDuration: .seconds(4))
            var id: JobID?
            try await rig.withClosedGate {
                let job = try await first.submit(request(concurrency: 4))
                id = job
                #expect(try await rig.waitAtGate(4))
                first.proxy.block()
                #expect(try await eventually { await !first.scheduler.runsHere(job) })
            }
            let submitted = try #require(id)
            let job = try #require(try await second.end(of: submitted))
            #expect(job.state == .succeeded && job.counts.succeeded == 24)
            #expect(job.counts.total == 24)
            #expect(try await rig.migrated() == Self.tenants)
            // Back again, the first one says what the tables say.
            first.proxy.unblock()
            #expect(try await first.end(of: job.id)?.counts == job.counts)
        }
    }
}
