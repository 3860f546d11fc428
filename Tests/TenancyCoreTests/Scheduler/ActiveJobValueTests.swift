import TestSupport
import Testing

@testable import Engine
@testable import JobModel
@testable import Scheduler
@testable import Tenants

@Suite struct JobTallyTests {
    private func counts(
        pending: Int = 0, running: Int = 0, succeeded: Int = 0, failed: Int = 0
    ) -> JobCounts {
        var counts = JobCounts()
        counts.add(pending, to: .pending)
        counts.add(running, to: .running)
        counts.add(succeeded, to: .succeeded)
        counts.add(failed, to: .failed)
        return counts
    }

    private func tally(
        _ before: JobCounts = JobCounts(), _ change: (inout JobTally) -> Void
    ) -> JobCounts {
        var tally = JobTally(before)
        change(&tally)
        return tally.counts
    }

    @Test("each move takes tenants from one state to one other")
    func moves() {
        let table: [(String, JobCounts, JobCounts)] = [
            ("expected", tally { $0.expect(total: 5) }, counts(pending: 5)),
            (
                "a page comes out of what was expected",
                tally {
                    $0.expect(total: 5)
                    $0.admit(3)
                }, counts(pending: 5)
            ),
            (
                "a page brings more than was counted",
                tally {
                    $0.expect(total: 5)
                    $0.admit(7)
                }, counts(pending: 7)
            ),
            ("ended with its page", tally { $0.admit(2, as: .failed) }, counts(failed: 2)),
            (
                "those that have gone are dropped",
                tally {
                    $0.expect(total: 5)
                    $0.admit(3)
                    $0.finishPaging()
                }, counts(pending: 3)
            ),
            ("started", tally(counts(pending: 3)) { $0.start(2) }, counts(pending: 1, running: 2)),
            (
                "requeued", tally(counts(running: 3)) { $0.requeue(1) },
                counts(pending: 1, running: 2)
            ),
            (
                "ended by a worker",
                tally(counts(pending: 1, running: 1)) { $0.end(as: .succeeded, wasRunning: true) },
                counts(pending: 1, succeeded: 1)
            ),
            (
                "ended while it waited",
                tally(counts(pending: 1, running: 1)) { $0.end(as: .failed, wasRunning: false) },
                counts(running: 1, failed: 1)
            ),
            (
                "taken over: what had not ended is read again",
                tally(counts(pending: 6, running: 1, succeeded: 3)) {
                    $0.resume(from: counts(succeeded: 4))
                }, counts(pending: 6, succeeded: 4)
            ),
            (
                "a registry that counts fewer takes nobody out who was selected",
                tally(counts(pending: 10)) {
                    $0.resume(from: counts(succeeded: 4))
                    $0.expect(total: 8)
                }, counts(pending: 6, succeeded: 4)
            ),
        ]
        for (name, found, expected) in table { #expect(found == expected, "\(name)") }
    }

    @Test(
        "tenants that run elsewhere are shown as running, as far as they are pending here",
        arguments: [(0, 5, 2), (3, 2, 5), (9, 0, 7)])
    func elsewhere(running: Int, pending: Int, shown: Int) {
        let counts = JobTally(counts(pending: 5, running: 2)).counts(runningElsewhere: running)
        #expect(counts.pending == pending && counts.running == shown && counts.total == 7)
    }

    @Test("whatever moves happen, no number is negative and the total is what entered")
    func anyOrder() {
        var random = SeededRandom()
        for _ in 0..<50 {
            var tally = JobTally()
            var (pending, running, total) = (0, 0, 0)
            for _ in 0..<200 {
                let count = Int.random(in: 0...3, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0:
                    tally.admit(count)
                    (pending, total) = (pending + count, total + count)
                case 1:
                    tally.admit(count, as: .skipped)
                    total += count
                case 2:
                    let moved = min(count, pending)
                    tally.start(moved)
                    (pending, running) = (pending - moved, running + moved)
                case 3:
                    let moved = min(count, running)
                    tally.requeue(moved)
                    (pending, running) = (pending + moved, running - moved)
                default:
                    let moved = min(count, running)
                    tally.end(moved, as: .succeeded, wasRunning: true)
                    running -= moved
                }
                let found = tally.counts
                #expect(found.pending == pending && found.running == running, "\(random)")
                #expect(found.total == total, "\(random)")
            }
        }
    }
}

@Suite struct ReplicaQuotaTests {
    @Test("waiting workers look again where the limit changed, or where they were held back")
    func grants() {
        let table: [(frozen: Bool, heldBack: Bool, granted: Int, isNew: Bool)] = [
            (true, false, 4, false), (true, false, 5, true), (true, true, 4, true),
            (false, false, 3, true), (false, false, 4, false),
        ]
        for row in table {
            var quota = ReplicaQuota(limit: 4)
            if row.frozen { quota.freeze(at: 2) }
            if row.heldBack { quota.holdBack() }
            #expect(quota.inFlightLimit == (row.frozen ? 2 : nil))
            let isNew = quota.grant(row.granted)
            #expect(isNew == row.isNew, "\(row)")
            #expect(quota == ReplicaQuota(limit: row.granted), "\(row)")
        }
    }

    @Test("less than the job's concurrency, or not knowing how much, is a part")
    func partial() {
        var quota = ReplicaQuota(limit: 4)
        #expect(quota.isPartial(of: 5) && !quota.isPartial(of: 4))
        quota.freeze(at: 4)
        #expect(quota.isPartial(of: 4))
    }

    @Test(
        "the demand is a little more than is worked on, and nothing without a limit",
        arguments: [(0, 0, 0), (1, 0, 2), (1, 1, 1), (4, 0, 8), (4, 3, 5), (4, 9, 0)])
    func demand(limit: Int, ready: Int, demand: Int) {
        #expect(ReplicaQuota(limit: limit).demand(ready: ready) == demand)
    }
}

@Suite struct ResultBufferTests {
    private func result(_ id: String) -> TenantResult {
        TenantResult(tenantID: id, identifier: id, state: .skipped)
    }

    @Test("results leave in their order, and a position is recorded once all before it are")
    func order() {
        var buffer = ResultBuffer()
        for id in ["a", "b", "c"] { buffer.append(result(id)) }
        let end = buffer.end
        #expect(buffer.prefix(2).map(\.tenantID) == ["a", "b"] && buffer.count == 3)
        buffer.removeFirst(2)
        buffer.append(result("d"))
        #expect(!buffer.hasRecorded(upTo: end) && buffer.end == 4)
        buffer.removeFirst(1)
        #expect(buffer.hasRecorded(upTo: end) && !buffer.hasRecorded(upTo: buffer.end))
        #expect(buffer.prefix(9).map(\.tenantID) == ["d"])
    }

    @Test("a flush is asked for until somebody has heard of it, once")
    func flush() {
        var buffer = ResultBuffer()
        var heard = [buffer.consumeFlushRequest()]
        buffer.requestFlush()
        buffer.requestFlush()
        heard.append(buffer.consumeFlushRequest())
        heard.append(buffer.consumeFlushRequest())
        #expect(heard == [false, true, false])
    }
}

@Suite struct TargetLedgerTests {
    private func names(_ ids: [String]) -> [TenantName] {
        ids.map { TenantName(id: $0, identifier: $0) }
    }

    @Test("a target is new, then in flight, then ended, and its end has all who joined")
    func standing() throws {
        var ledger = TargetLedger()
        #expect(ledger.standing(of: 1) == .new)
        ledger.begin(1)
        ledger.join(names(["a"]), to: 1)
        // Begun twice, as when it is published and comes back: nobody who joined is lost.
        ledger.begin(1)
        ledger.join(names(["b"]), to: 1)
        #expect(ledger.standing(of: 1) == .inFlight)
        let joined = ledger.end(1)
        #expect(joined.map(\.id) == ["a", "b"] && ledger.standing(of: 1) == .ended)
        let again = ledger.end(1)
        #expect(again.isEmpty)
        ledger.insertEnded([2, 3])
        #expect(ledger.standing(of: 3) == .ended && ledger.standing(of: 4) == .new)
    }

    @Test("published targets come back by their first tenant, and say who had them")
    func reclaims() throws {
        var ledger = TargetLedger()
        for number in 1...3 {
            var work = try makeWork(number, tenants: ["t\(number)", "u\(number)"])
            work.state = .missingSchema
            ledger.publish(work)
        }
        #expect(ledger.publishedTenants == ["t1", "t2", "t3"])
        let back = ledger.reclaim(["t1": false, "t2": true, "u3": false])
        #expect(Set(back.compactMap(\.tenants.first?.id)) == ["t1", "t2"])
        let claimed = try #require(back.first { $0.tenants.first?.id == "t2" })
        // A dead replica may have moved it, so what was read before counts for nothing.
        #expect(claimed.state == nil && claimed.isUnfinished)
        let unclaimed = try #require(back.first { $0.tenants.first?.id == "t1" })
        #expect(unclaimed.state == .missingSchema && !unclaimed.isUnfinished)
        #expect(ledger.publishedTenants == ["t3"])
        #expect(ledger.standing(of: claimed.target.key) == .inFlight)
        let rest = try makeTarget(3).key
        let ended = [ledger.removePublished(rest), ledger.removePublished(rest)]
        #expect(ended.map { $0?.tenants.count } == [2, nil])
    }
}

@Suite struct StartedTenantsTests {
    @Test("a tenant is running, then deferred with what failed, then gone")
    func life() throws {
        var started = StartedTenants()
        var work = try makeWork(1, tenants: ["a", "b"])
        work.attempts = 1
        started.start(work)
        #expect(Set(started.running.keys) == ["a", "b"])
        #expect(started.running["a"]?.state == .running && started.running["a"]?.attempts == 1)
        let failure = TenantFailure(
            code: .statement(.lockTimeout), message: "busy", isRetryable: true)
        started.markDeferred(work, after: .failed(failure))
        #expect(started.running.isEmpty)
        #expect(started.all["b"]?.state == .pending && started.all["b"]?.failure == failure)
        let wasRunning = started.end("b")
        #expect(!wasRunning && started.all["b"] == nil)
        started.start(work)
        let isRunning = started.end("a")
        #expect(isRunning)
        started.revert(work)
        #expect(started.all.isEmpty)
    }
}
