import TestSupport
import Testing

@testable import Engine
@testable import JobModel
@testable import Scheduler
@testable import Support
@testable import Tenants

@Suite(.timeLimit(.minutes(5))) struct JobRunTests {
    private func run(_ state: JobState = .running, epoch: Int64 = 1) -> JobRun {
        JobRun(
            makeJob(makeRequest(), state: state), lease: JobLease(replica: "r", epoch: epoch),
            clock: WallClock { Timestamp(milliseconds: 0) })
    }

    private let done = TargetOutcome(state: .succeeded, fromRevisions: [], toRevisions: ["r3"])
    private let locked = TargetOutcome(
        state: .failed, fromRevisions: [], toRevisions: ["r1"], steps: 1,
        failure: TenantFailure(code: .statement(.lockTimeout), message: "busy", isRetryable: true))

    private func take(_ run: JobRun) throws -> TargetWork {
        guard case .work(let work) = run.next(preferring: nil) else {
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
        let run = run()
        #expect(run.add([try makeWork(1, tenants: ["a", "b"])]).isEmpty)
        let work = try take(run)
        #expect(run.standing(ofTarget: work.target.key) == .inFlight)
        #expect(run.add([try makeWork(1, tenants: ["c"])]).isEmpty)
        #expect(run.snapshot.counts.running == 2 && run.snapshot.counts.pending == 1)
        #expect(run.settle(work, done, retryAfter: nil) == .ended)
        #expect(run.snapshot.counts.succeeded == 3 && run.snapshot.counts.total == 3)
        #expect(run.unrecorded(limit: 9).map(\.tenantID) == ["a", "b", "c"])
        // Who comes after the end is handed back, and nothing is done twice.
        #expect(run.standing(ofTarget: work.target.key) == .ended)
        let late = run.add([try makeWork(1, tenants: ["d"])])
        #expect(late.count == 1 && run.snapshot.counts.pending == 1)
        run.end(late[0], done)
        #expect(run.snapshot.counts.succeeded == 4 && run.snapshot.counts.total == 4)
    }

    @Test("while the share is asked for nothing is begun beyond what others were told of")
    func sharing() throws {
        let run = run()
        for number in 1...6 { _ = run.add([try makeWork(number)]) }
        run.setLimit(4, runningElsewhere: 0)
        for _ in 1...4 { #expect(run.wantsWorker()) }
        let works = try (1...3).map { _ in try take(run) }
        #expect(run.useToShare().inUse == 3 && run.hasPartOnly)
        let generation = run.work.generation
        guard case .wait = run.next(preferring: nil) else {
            throw TestFailure("a fourth was begun, which nobody was told of")
        }
        // One of the three may be followed by another.
        #expect(run.settle(works[0], done, retryAfter: nil) == .ended)
        _ = try take(run)
        guard case .wait = run.next(preferring: nil) else { throw TestFailure("one too many") }
        // Also where the answer is the share that there was, those that were held back go on.
        run.setLimit(4, runningElsewhere: 0)
        #expect(run.work.generation != generation)
        _ = try take(run)
        #expect(run.inUse == 4)
    }

    @Test("a failure that may pass sets the target aside, and a cancelled job ends it")
    func aside() throws {
        let run = run()
        _ = run.add([try makeWork(1)])
        run.pagingIsDone()
        #expect(run.settle(try take(run), locked, retryAfter: .seconds(1)) == .setAside)
        #expect(!run.isWorkDone)
        #expect(run.snapshot.counts.pending == 1)
        #expect(run.handle(.cancelAsked) == .stop)
        #expect(run.isWorkDone)
        let result = try #require(run.unrecorded(limit: 9).first)
        #expect(result.state == .cancelled)
        // What the attempt did and learned is not forgotten.
        #expect(result.toRevisions == ["r1"] && result.steps == 1 && result.attempts == 1)
        #expect(result.failure?.message.contains("busy") == true)
    }

    @Test("a target whose attempt fails after the cancellation is not set aside for nobody")
    func lateFailure() throws {
        let run = run()
        _ = run.add([try makeWork(1), try makeWork(2)])
        let work = try take(run)
        #expect(run.handle(.cancelAsked) == .stop)
        #expect(run.settle(work, locked, retryAfter: .seconds(1)) == .ended)
        #expect(run.snapshot.counts.failed == 1 && run.snapshot.counts.cancelled == 1)
        #expect(run.snapshot.counts.pending == 0 && run.snapshot.counts.running == 0)
        // Nor does one that a page brings now wait for ever.
        #expect(run.add([try makeWork(3)]).isEmpty)
        #expect(run.snapshot.counts.cancelled == 2 && run.snapshot.counts.pending == 0)
    }

    @Test("a drained job leaves what is not done to whoever goes on")
    func drained() throws {
        let run = run()
        _ = run.add([try makeWork(1), try makeWork(2), try makeWork(3)])
        let works = [try take(run), try take(run), try take(run)]
        run.drain()
        #expect(run.settle(works[0], locked, retryAfter: .seconds(1)) == .left)
        let cancelled = TargetOutcome(state: .cancelled)
        #expect(run.settle(works[1], cancelled, retryAfter: nil) == .left)
        #expect(run.settle(works[2], done, retryAfter: nil) == .ended)
        let counts = run.snapshot.counts
        #expect(counts.pending == 2 && counts.succeeded == 1 && counts.total == 3)
        guard case .end = run.next(preferring: nil) else {
            Issue.record("a drained job starts something")
            return
        }
        #expect(run.isWorkDone)
    }

    @Test("a paused job starts nothing until it is resumed")
    func paused() throws {
        let run = run()
        _ = run.add([try makeWork(1)])
        #expect(run.handle(.pauseAsked) == .hold)
        let version = run.snapshot.version
        #expect(run.handle(.pauseAsked) == .nothing)
        #expect(run.snapshot.version == version)
        guard case .wait = run.next(preferring: nil) else {
            Issue.record("a paused job starts something")
            return
        }
        #expect(run.handle(.resumeAsked) == .goOn)
        #expect(try take(run).tenants.map(\.id) == ["t1"])
    }

    @Test("a job that is steered while its end is written down ends as it was steered")
    func steeredAtTheEnd() throws {
        let run = run()
        run.pagingIsDone()
        let first = run.previewOfEnd()
        #expect(first.state == .succeeded)
        #expect(run.handle(.cancelAsked) == .stop)
        #expect(!run.finish(as: first))
        let second = run.previewOfEnd()
        #expect(second.state == .cancelled && second.version > first.version)
        #expect(run.finish(as: second))
        #expect(run.snapshot == second)
        #expect(run.handle(.resumeAsked) == .refuse)
    }

    @Test("the last worker to take a target tells those that wait")
    func wakesWaiting() async throws {
        let run = run()
        _ = run.add([try makeWork(1)])
        run.pagingIsDone()
        let generation = run.work.generation
        let waiter = Task { await run.waitForWork(after: generation, until: .never) }
        _ = try take(run)
        await waiter.value
        guard case .end = run.next(preferring: nil) else {
            Issue.record("there is nothing left to wait for")
            return
        }
    }

    @Test("pages stop coming while too many targets are set aside")
    func roomOfAside() throws {
        let run = run()
        let works = try (0..<JobRun.asideLimit).map { try makeWork($0) }
        _ = run.add(works)
        #expect(!run.hasRoom(for: 100))
        for _ in works {
            _ = run.settle(try take(run), locked, retryAfter: .seconds(1_000))
        }
        #expect(!run.hasRoom(for: 100))
        _ = run.handle(.cancelAsked)
        #expect(run.hasRoom(for: 100))
    }

    @Test("waiting for the record ends when everything known is recorded, or with the drain")
    func recorded() async throws {
        let run = run()
        _ = run.add([try makeWork(1), try makeWork(2)])
        _ = run.settle(try take(run), done, retryAfter: nil)
        let waiter = Task { await run.waitUntilRecorded() }
        #expect(try await eventually { run.takeFlushWish() })
        run.didRecord(1)
        await waiter.value
        _ = run.settle(try take(run), done, retryAfter: nil)
        let second = Task { await run.waitUntilRecorded() }
        run.drain()
        await second.value
        await run.waitUntilRecorded(until: .after(.milliseconds(1)), endsWithDrain: false)
        #expect(run.unrecorded(limit: 9).count == 1)
    }

    // MARK: - Any order of events

    /// Every move that pager, workers, recorder and callers can make.
    private struct Player {
        let run: JobRun
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
                if case .work(let work) = run.next(preferring: nil) { inHand.append(work) }
            case 6, 7, 8: try settle()
            case 9: run.didRecord(run.unrecorded(limit: 3).count)
            case 10: _ = run.handle(Bool.random(using: &random) ? .pauseAsked : .resumeAsked)
            default:
                if Int.random(in: 0..<40, using: &random) == 0 { _ = run.handle(.cancelAsked) }
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
            for work in run.add(works) { run.end(work, TargetOutcome(state: .skipped)) }
        }

        private mutating func addEnded() {
            next += 1
            claimed += 1
            let state: TenantState = Bool.random(using: &random) ? .skipped : .failed
            let result = TenantResult(tenantID: "t\(next)", identifier: "", state: state)
            run.add(ended: [result], targets: [])
        }

        mutating func settle() throws {
            guard let index = inHand.indices.randomElement(using: &random) else { return }
            let states: [TenantState] = [.succeeded, .skipped, .failed, .cancelled]
            let outcome = TargetOutcome(state: states.randomElement(using: &random) ?? .failed)
            let pause: Duration? =
                outcome.state == .failed && Bool.random(using: &random) ? .zero : nil
            _ = run.settle(inHand.remove(at: index), outcome, retryAfter: pause)
        }

        func addsUp() -> Bool {
            let counts = run.snapshot.counts
            return counts.total == max(claimed, expected)
                && counts.running == run.runningTenants.count
                && [counts.pending, counts.running, counts.cancelled].allSatisfy { $0 >= 0 }
        }
    }

    @Test("whatever happens in whatever order, the numbers add up and every tenant ends once")
    func anyOrder() throws {
        let seeds = SeededRandom()
        for round in 0..<60 {
            let random = SeededRandom(seed: seeds.seed &+ UInt64(round))
            let run = run()
            var player = Player(run: run, random: random, expected: 30)
            run.expect(total: 30)
            for _ in 0..<250 {
                try player.move()
                #expect(player.addsUp(), "\(random)")
            }
            run.pagingIsDone()
            player.expected = 0
            _ = run.handle(.resumeAsked)
            while true {
                while case .work(let work) = run.next(preferring: nil) {
                    player.inHand.append(work)
                }
                if player.inHand.isEmpty { break }
                while !player.inHand.isEmpty { try player.settle() }
            }
            #expect(run.isWorkDone, "\(random)")
            #expect(player.addsUp(), "\(random)")
            let counts = run.snapshot.counts
            #expect(counts.pending == 0 && counts.running == 0, "\(random)")
            #expect(counts.ended == player.claimed, "\(random)")
            let end = run.previewOfEnd()
            #expect(run.finish(as: end) && end.state.isFinal, "\(random)")
        }
    }
}
