import TestSupport
import Testing

@testable import Engine
@testable import JobModel
@testable import Scheduler
@testable import Support
@testable import Tenants

@Suite(.timeLimit(.minutes(5))) struct ActiveJobTests {
    private func make(_ state: JobState = .running, epoch: Int64 = 1) -> ActiveJob {
        ActiveJob(
            makeJob(makeRequest(), state: state), lease: JobLease(replica: "r", epoch: epoch),
            clock: WallClock { Timestamp(milliseconds: 0) })
    }

    private let done = TargetOutcome(state: .succeeded, fromRevisions: [], toRevisions: ["r3"])
    private let locked = TargetOutcome(
        state: .failed, fromRevisions: [], toRevisions: ["r1"], steps: 1,
        failure: TenantFailure(code: .statement(.lockTimeout), message: "busy", isRetryable: true))

    private func take(_ job: ActiveJob) throws -> TargetWork {
        guard case .work(let work) = job.next(preferring: nil) else {
            throw TestFailure("nothing to do")
        }
        return work
    }

    private struct TestFailure: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    @Test("a target's outcome is that of all its tenants, of later pages too")
    func shared() throws {
        let job = make()
        #expect(job.admit([try makeWork(1, tenants: ["a", "b"])]).isEmpty)
        let work = try take(job)
        #expect(job.standing(ofTarget: work.target.key) == .inFlight)
        #expect(job.admit([try makeWork(1, tenants: ["c"])]).isEmpty)
        #expect(job.snapshot.counts.running == 2 && job.snapshot.counts.pending == 1)
        #expect(job.finishAttempt(on: work, done, retryAfter: nil) == .ended)
        #expect(job.snapshot.counts.succeeded == 3 && job.snapshot.counts.total == 3)
        #expect(job.unrecorded(limit: 9).map(\.tenantID) == ["a", "b", "c"])
        // Who comes after the end is handed back, and nothing is done twice.
        #expect(job.standing(ofTarget: work.target.key) == .ended)
        let late = job.admit([try makeWork(1, tenants: ["d"])])
        #expect(late.count == 1 && job.snapshot.counts.pending == 1)
        job.end(late[0], done)
        #expect(job.snapshot.counts.succeeded == 4 && job.snapshot.counts.total == 4)
    }

    @Test("while the share is asked for nothing is begun beyond what others were told of")
    func sharing() throws {
        let job = make()
        for number in 1...6 { _ = job.admit([try makeWork(number)]) }
        job.grant(4, runningElsewhere: 0)
        for _ in 1...4 { #expect(job.addWorker()) }
        let works = try (1...3).map { _ in try take(job) }
        #expect(job.freezeInFlight().count == 3 && job.hasPartialQuota)
        let generation = job.work.generation
        guard case .wait = job.next(preferring: nil) else {
            throw TestFailure("a fourth was begun, which nobody was told of")
        }
        // One of the three may be followed by another.
        #expect(job.finishAttempt(on: works[0], done, retryAfter: nil) == .ended)
        _ = try take(job)
        guard case .wait = job.next(preferring: nil) else { throw TestFailure("one too many") }
        // Also where the answer is the share that there was, those that were held back continue.
        job.grant(4, runningElsewhere: 0)
        #expect(job.work.generation != generation)
        _ = try take(job)
        #expect(job.inFlight == 4)
    }

    @Test("a transient failure defers the target, and a cancelled job ends it")
    func deferred() throws {
        let job = make()
        _ = job.admit([try makeWork(1)])
        job.finishPaging()
        #expect(job.finishAttempt(on: try take(job), locked, retryAfter: .seconds(1)) == .deferred)
        #expect(!job.isWorkDone)
        #expect(job.snapshot.counts.pending == 1)
        #expect(job.handle(.cancelAsked) == .stop)
        #expect(job.isWorkDone)
        let result = try #require(job.unrecorded(limit: 9).first)
        #expect(result.state == .cancelled)
        // What the attempt did and learned is not forgotten.
        #expect(result.toRevisions == ["r1"] && result.steps == 1 && result.attempts == 1)
        #expect(result.failure?.message.contains("busy") == true)
    }

    @Test("a target whose attempt fails after the cancellation is not deferred for nobody")
    func lateFailure() throws {
        let job = make()
        _ = job.admit([try makeWork(1), try makeWork(2)])
        let work = try take(job)
        #expect(job.handle(.cancelAsked) == .stop)
        #expect(job.finishAttempt(on: work, locked, retryAfter: .seconds(1)) == .ended)
        #expect(job.snapshot.counts.failed == 1 && job.snapshot.counts.cancelled == 1)
        #expect(job.snapshot.counts.pending == 0 && job.snapshot.counts.running == 0)
        // Nor does one that a page brings now wait without end.
        #expect(job.admit([try makeWork(3)]).isEmpty)
        #expect(job.snapshot.counts.cancelled == 2 && job.snapshot.counts.pending == 0)
    }

    @Test("a drained job leaves what is not done to whoever takes over")
    func drained() throws {
        let job = make()
        _ = job.admit([try makeWork(1), try makeWork(2), try makeWork(3)])
        let works = [try take(job), try take(job), try take(job)]
        job.drain()
        #expect(job.finishAttempt(on: works[0], locked, retryAfter: .seconds(1)) == .left)
        let cancelled = TargetOutcome(state: .cancelled)
        #expect(job.finishAttempt(on: works[1], cancelled, retryAfter: nil) == .left)
        #expect(job.finishAttempt(on: works[2], done, retryAfter: nil) == .ended)
        let counts = job.snapshot.counts
        #expect(counts.pending == 2 && counts.succeeded == 1 && counts.total == 3)
        guard case .end = job.next(preferring: nil) else {
            Issue.record("a drained job starts something")
            return
        }
        #expect(job.isWorkDone)
    }

    @Test("a paused job starts nothing until it is resumed")
    func paused() throws {
        let job = make()
        _ = job.admit([try makeWork(1)])
        #expect(job.handle(.pauseAsked) == .hold)
        let version = job.snapshot.version
        #expect(job.handle(.pauseAsked) == .nothing)
        #expect(job.snapshot.version == version)
        guard case .wait = job.next(preferring: nil) else {
            Issue.record("a paused job starts something")
            return
        }
        #expect(job.handle(.resumeAsked) == .goOn)
        #expect(try take(job).tenants.map(\.id) == ["t1"])
    }

    @Test("a job that is controlled while its end is written down ends as it was controlled")
    func controlledAtTheEnd() throws {
        let job = make()
        job.finishPaging()
        let first = job.previewOfEnd()
        #expect(first.state == .succeeded)
        #expect(job.handle(.cancelAsked) == .stop)
        #expect(!job.finish(as: first))
        let second = job.previewOfEnd()
        #expect(second.state == .cancelled && second.version > first.version)
        #expect(job.finish(as: second))
        #expect(job.snapshot == second)
        #expect(job.handle(.resumeAsked) == .refuse)
    }

    @Test("the last worker to take a target tells those that wait")
    func wakesWaiting() async throws {
        let job = make()
        _ = job.admit([try makeWork(1)])
        job.finishPaging()
        let generation = job.work.generation
        let waiter = Task { await job.waitForWork(after: generation, until: .never) }
        _ = try take(job)
        await waiter.value
        guard case .end = job.next(preferring: nil) else {
            Issue.record("there is nothing left to wait for")
            return
        }
    }

    @Test("pages stop coming while too many targets are deferred")
    func roomOfDeferred() throws {
        let job = make()
        let works = try (0..<TargetQueue.deferredLimit).map { try makeWork($0) }
        _ = job.admit(works)
        #expect(!job.hasRoom(for: 100))
        for _ in works {
            _ = job.finishAttempt(on: try take(job), locked, retryAfter: .seconds(1_000))
        }
        #expect(!job.hasRoom(for: 100))
        _ = job.handle(.cancelAsked)
        #expect(job.hasRoom(for: 100))
    }

    @Test("waiting for the record ends when everything known is recorded, or with the drain")
    func recorded() async throws {
        let job = make()
        _ = job.admit([try makeWork(1), try makeWork(2)])
        _ = job.finishAttempt(on: try take(job), done, retryAfter: nil)
        let waiter = Task { await job.waitUntilRecorded() }
        #expect(try await eventually { job.consumeFlushRequest() })
        job.didRecord(1)
        await waiter.value
        _ = job.finishAttempt(on: try take(job), done, retryAfter: nil)
        let second = Task { await job.waitUntilRecorded() }
        job.drain()
        await second.value
        await job.waitUntilRecorded(until: .after(.milliseconds(1)), endsWithDrain: false)
        #expect(job.unrecorded(limit: 9).count == 1)
    }

    // MARK: - Any order of events

    /// Every move that pager, workers, recorder and callers can make.
    private struct Player {
        let job: ActiveJob
        var random: SeededRandom
        var inHand: [TargetWork] = []
        var next = 0
        var claimed = 0
        var expected: Int

        mutating func move() throws {
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1: try page()
            case 2: addEnded()
            case 3, 4, 5:
                if case .work(let work) = job.next(preferring: nil) { inHand.append(work) }
            case 6, 7, 8: try finishOne()
            case 9: job.didRecord(job.unrecorded(limit: 3).count)
            case 10: _ = job.handle(Bool.random(using: &random) ? .pauseAsked : .resumeAsked)
            default:
                if Int.random(in: 0..<40, using: &random) == 0 { _ = job.handle(.cancelAsked) }
            }
        }

        private mutating func page() throws {
            // Few targets, so that tenants often share one.
            let works = try (0..<Int.random(in: 1...4, using: &random)).map { _ in
                next += 1
                return try makeWork(
                    Int.random(in: 0..<40, using: &random), tenants: ["t\(next)"])
            }
            claimed += works.count
            for work in job.admit(works) { job.end(work, TargetOutcome(state: .skipped)) }
        }

        private mutating func addEnded() {
            next += 1
            claimed += 1
            let state: TenantState = Bool.random(using: &random) ? .skipped : .failed
            let result = TenantResult(tenantID: "t\(next)", identifier: "", state: state)
            job.admit(ended: [result], targets: [])
        }

        mutating func finishOne() throws {
            guard let index = inHand.indices.randomElement(using: &random) else { return }
            let states: [TenantState] = [.succeeded, .skipped, .failed, .cancelled]
            let outcome = TargetOutcome(state: states.randomElement(using: &random) ?? .failed)
            let pause: Duration? =
                outcome.state == .failed && Bool.random(using: &random) ? .zero : nil
            _ = job.finishAttempt(on: inHand.remove(at: index), outcome, retryAfter: pause)
        }

        func addsUp() -> Bool {
            let counts = job.snapshot.counts
            return counts.total == max(claimed, expected)
                && counts.running == job.runningTenants.count
                && [counts.pending, counts.running, counts.cancelled].allSatisfy { $0 >= 0 }
        }
    }

    @Test("whatever happens in whatever order, the numbers add up and every tenant ends once")
    func anyOrder() throws {
        let seeds = SeededRandom()
        for round in 0..<60 {
            let random = SeededRandom(seed: seeds.seed &+ UInt64(round))
            let job = make()
            var player = Player(job: job, random: random, expected: 30)
            job.expect(total: 30)
            for _ in 0..<250 {
                try player.move()
                #expect(player.addsUp(), "\(random)")
            }
            job.finishPaging()
            player.expected = 0
            _ = job.handle(.resumeAsked)
            while true {
                while case .work(let work) = job.next(preferring: nil) {
                    player.inHand.append(work)
                }
                if player.inHand.isEmpty { break }
                while !player.inHand.isEmpty { try player.finishOne() }
            }
            #expect(job.isWorkDone, "\(random)")
            #expect(player.addsUp(), "\(random)")
            let counts = job.snapshot.counts
            #expect(counts.pending == 0 && counts.running == 0, "\(random)")
            #expect(counts.ended == player.claimed, "\(random)")
            let end = job.previewOfEnd()
            #expect(job.finish(as: end) && end.state.isFinal, "\(random)")
        }
    }
}
