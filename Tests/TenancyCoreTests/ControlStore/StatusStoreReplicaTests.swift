import TestSupport
import Testing

@testable import ControlStore
@testable import Engine
@testable import JobModel

@Suite("Daemons that share a control database")
struct StatusStoreReplicaTests {
    private let replicas = (1...3).map { makeLease(replica: $0).replica }

    /// A running job of the first daemon, at concurrency 10, with all three alive.
    private func withJob(
        _ body: @Sendable (StatusStore, JobID) async throws -> Void
    ) async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                var request = makeRequest()
                request.concurrency = 10
                let job = makeJob(request, state: .running)
                _ = try await store.take(job, key: nil, caller: caller, lease: makeLease())
                for replica in replicas { try await live(replica, store) }
                try await body(store, job.id)
            }
        }
    }

    @discardableResult
    private func live(
        _ replica: String, _ store: StatusStore, term: Duration = .seconds(3600)
    ) async throws -> Beat {
        try await store.beat(makeReplica(replica), isDraining: false, jobs: [], term: term)
    }

    @Test("a daemon sees the others that live, and not those that are gone or about to go")
    func beats() async throws {
        try await withJob { store, _ in
            #expect(try await live(replicas[0], store).others.map(\.id) == Array(replicas[1...]))
            try await live(replicas[1], store, term: .zero)
            _ = try await store.beat(
                makeReplica(replicas[2]), isDraining: true, jobs: [], term: .seconds(3600))
            #expect(try await live(replicas[0], store).others.isEmpty)
            try await store.leave(replicas[0], jobs: [])
            try await live(replicas[1], store)
            #expect(try await live(replicas[1], store).others.isEmpty)
        }
    }

    @Test("who writes a job's state learns that its row is gone")
    func lostRow() async throws {
        try await withJob { store, id in
            let job = try #require(try await store.job(id))
            #expect(try await store.update(job, lease: makeLease()))
            // A lease that another has by now changes nothing, and loses nothing.
            #expect(try await store.update(job, lease: makeLease(7)))
            #expect(try await !store.update(makeJob(makeRequest()), lease: makeLease()))
        }
    }

    @Test("late results of a restored job are counted once, and its numbers still add up")
    func lateResults() async throws {
        try await withJob { store, _ in
            let running = makeJob(makeRequest(), state: .running)
            var job = running
            job.state = .failed
            job.stateReason = JobSnapshot.controlDatabaseRecreated
            job.finishedAt = job.createdAt
            job.counts.succeeded = 2
            job.counts.cancelled = 3
            try await store.restore(job, results: [], lease: makeLease(), migrations: "m")
            let assistant = JobLease(replica: replicas[1], epoch: 0, isAssistant: true)
            let results = [
                makeResult("a", .succeeded), makeResult("b", .failed), makeResult("c", .cancelled),
            ]
            // Sent again when the first answer was lost.
            for _ in 0..<2 {
                try await store.record(results, job: job.id, lease: assistant)
                let now = try #require(try await store.job(job.id))
                #expect(now.counts.succeeded == 3 && now.counts.failed == 1)
                #expect(now.counts.cancelled == 1 && now.counts.total == 5)
                #expect(now.state == .failed)
            }
            let events = try await store.events(of: job.id, after: 0, limit: 9)
            #expect(events.map(\.result.tenantID) == ["a", "b", "c"])
            #expect(try await store.statuses(["a"])["a"]?.last.migration?.state == .succeeded)

            // More than were cancelled cannot have been in anybody's hands.
            try await store.record(
                [makeResult("d"), makeResult("e")], job: job.id, lease: assistant)
            #expect(try await store.job(job.id)?.counts.total == 5)
            #expect(try await store.job(job.id)?.counts.failed == 1)
        }
    }

    @Test("shares are fair, shrink before others grow, and never add up to more than allowed")
    func shares() async throws {
        try await withJob { store, job in
            func share(_ place: Int, inUse: Int) async throws -> [Int] {
                let share = try await store.share(
                    job, replica: replicas[place], running: [], inUse: inUse)
                return [share?.slots ?? -1, share?.limit ?? -1]
            }
            #expect(try await share(0, inUse: 10) == [10, 10])
            // Who comes later gets nothing before the first has shrunk.
            #expect(try await share(1, inUse: 0) == [0, 0])
            #expect(try await share(0, inUse: 10) == [10, 5])
            #expect(try await share(1, inUse: 0) == [0, 0])
            #expect(try await share(0, inUse: 7) == [7, 5])
            #expect(try await share(1, inUse: 0) == [3, 3])
            #expect(try await share(0, inUse: 5) == [5, 5])
            #expect(try await share(1, inUse: 3) == [5, 5])
            // Ten among three: four, three, three.
            #expect(try await share(2, inUse: 0) == [0, 0])
            #expect(try await share(0, inUse: 4) == [4, 4])
            #expect(try await share(1, inUse: 2) == [3, 3])
            #expect(try await share(2, inUse: 0) == [3, 3])
            // What a dead daemon had is free when its lease has run out.
            try await live(replicas[1], store, term: .zero)
            #expect(try await share(0, inUse: 4) == [5, 5])
            #expect(try await share(2, inUse: 3) == [5, 5])
        }
    }

    @Test("tenants on offer are taken by one daemon each, and end under its name")
    func offers() async throws {
        try await withJob { store, job in
            let claims = ["a", "b", "c", "d"].map {
                makeClaim($0, target: Int64($0.unicodeScalars.first?.value ?? 0), isOffered: true)
            }
            _ = try await store.claim(
                claims + [makeClaim("e", target: 1)], job: job, lease: makeLease())
            let stranger = makeReplica(replicas[1], migrations: "others")
            #expect(try await store.jobsOnOffer(to: stranger).isEmpty)
            #expect(
                try await store.jobsOnOffer(to: makeReplica(replicas[1])).map(\.id) == [job])

            async let some = store.takeOffers(of: job, replica: replicas[1], limit: 2)
            async let more = store.takeOffers(of: job, replica: replicas[2], limit: 2)
            let (ours, theirs) = try await (some, more)
            #expect((ours + theirs).map(\.name.id).sorted() == ["a", "b", "c", "d"])
            let mine = ours.map(\.name.id)
            #expect(
                try await store.takenTenants(of: job, replica: replicas[1]).map(\.name.id).sorted()
                    == mine.sorted())

            // Somebody else's tenants are not written to.
            let assistant = JobLease(replica: replicas[1], epoch: 0, isAssistant: true)
            var results = (ours + theirs).map {
                makeClaim($0.name.id, .succeeded, to: ["r"]).result
            }
            results.sort { $0.tenantID < $1.tenantID }
            try await store.record(results, job: job, lease: assistant)
            let seen = try await store.eventsElsewhere(of: job, after: 0, limit: 10)
            #expect(seen.results.map(\.result.tenantID) == mine.sorted())
            #expect(seen.results.allSatisfy { $0.targetKey != nil })
            #expect(
                try await store.eventsElsewhere(of: job, after: seen.last, limit: 10).results
                    .isEmpty)
        }
    }

    @Test("the leading daemon gets back what nobody took, what was returned, and what the dead had")
    func takingBack() async throws {
        try await withJob { store, job in
            let ids = ["a", "b", "c"]
            _ = try await store.claim(
                ids.map { makeClaim($0, target: 1, isOffered: true) }, job: job, lease: makeLease())
            _ = try await store.takeOffers(of: job, replica: replicas[1], limit: 1)
            _ = try await store.takeOffers(of: job, replica: replicas[2], limit: 1)
            func own() async throws -> [String: Bool] {
                try await store.ownAgain(ids, job: job, lease: makeLease())
            }
            #expect(try await own() == [:])
            try await store.withdrawOffers(of: job, lease: makeLease(7))
            #expect(try await own() == [:], "under a lease that is not in force")
            try await store.withdrawOffers(of: job, lease: makeLease())
            #expect(try await own() == ["c": false])
            try await store.returnOffers(["a", "b"], of: job, replica: replicas[1])
            #expect(try await own() == ["a": false, "c": false])
            try await live(replicas[2], store, term: .zero)
            #expect(try await own() == ["a": false, "c": false])
            try await store.withdrawOffers(of: job, lease: makeLease())
            #expect(try await own() == ["a": false, "b": true, "c": false])
        }
    }

    @Test("who goes on with a job leaves to the living what they have taken over")
    func adoption() async throws {
        try await withJob { store, job in
            let claims = ["a", "b", "c"].map { makeClaim($0, target: 1, isOffered: true) }
            _ = try await store.claim(claims, job: job, lease: makeLease())
            _ = try await store.takeOffers(of: job, replica: replicas[1], limit: 1)
            _ = try await store.takeOffers(of: job, replica: replicas[2], limit: 1)
            try await live(replicas[2], store, term: .zero)
            _ = try await store.leaseAbandonedJobs(
                replica: replicas[0], migrations: "m", term: .seconds(3600))
            try await store.leave(replicas[0], jobs: [job])
            let taken = try await store.leaseAbandonedJobs(
                replica: replicas[0], migrations: "m", term: .seconds(3600))
            let lease = try #require(taken.first?.1)
            #expect(lease.epoch == 2)
            let claimed = try await store.claim(claims, job: job, lease: lease)
            #expect(Set(claimed.keys) == ["b", "c"])
            let others = try await store.adoptElsewhere(["a"], job: job, lease: lease)
            #expect(others == ["a"])
            let assistant = JobLease(replica: replicas[1], epoch: 0, isAssistant: true)
            let result = makeClaim("a", .succeeded, to: ["r"]).result
            try await store.record([result], job: job, lease: assistant)
            #expect(
                try await store.eventsElsewhere(of: job, after: 0, limit: 9).results.count == 1)
        }
    }

    @Test("a job that was taken with other migrations is left to those who have them for a while")
    func otherMigrations() async throws {
        try await withJob { store, job in
            try await store.leave(replicas[0], jobs: [job])
            func taken(_ migrations: String, term: Duration) async throws -> Int {
                try await store.leaseAbandonedJobs(
                    replica: replicas[1], migrations: migrations, term: term
                ).count
            }
            #expect(try await taken("others", term: .seconds(3600)) == 0)
            #expect(try await taken("m", term: .zero) == 1)
            #expect(try await eventually { try await taken("others", term: .zero) == 1 })
        }
    }

    @Test("a command waits for whoever leads the job, and is answered once")
    func commands() async throws {
        try await withJob { store, job in
            let first = try await store.command("pause", job: job, caller: caller)
            let second = try await store.command("cancel immediate", job: job, caller: caller)
            #expect(try await store.answer(toCommand: first)?.isDone == false)
            let beat = try await store.beat(
                makeReplica(replicas[0]), isDraining: false, jobs: [job], term: .seconds(3600))
            #expect(beat.hasCommands && beat.kept == [job])
            let open = try await store.openCommands(for: [job])
            #expect(open.map(\.id) == [first, second])
            #expect(open.map(\.action) == ["pause", "cancel immediate"])
            try await store.closeCommand(first, refusedIn: nil)
            try await store.closeCommand(second, refusedIn: .succeeded)
            #expect(try await store.answer(toCommand: second)?.refusedIn == .succeeded)
            #expect(try await store.openCommands(for: [job]).isEmpty)
        }
    }
}
