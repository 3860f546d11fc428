import TestSupport
import Testing

@testable import Engine
@testable import JobModel
@testable import Scheduler
@testable import Support
@testable import Tenants

/// A job's numbers while daemons take it over from each other, at any moment.
@Suite struct JobTakeoverTests {
    @Test("no takeover loses a tenant from the numbers")
    func takeover() throws {
        let job = makeJob(makeRequest(), state: .running)
        var dead = job
        dead.counts.add(200, to: .pending)
        let run = ActiveJob(dead, lease: JobLease(replica: "b", epoch: 2), clock: .system)
        var ended = JobCounts()
        ended.add(116, to: .succeeded)
        run.resume(ended: [Int64](), counts: ended)
        #expect(run.snapshot.counts.total == 200 && run.snapshot.counts.pending == 84)
        run.expect(total: 190)
        #expect(run.snapshot.counts.total == 200)
        run.finishPaging()
        #expect(run.snapshot.counts.total == 116)
    }

    @Test("random lives with takeovers at any point keep the total")
    func lives() throws {
        var random = SeededRandom()
        for _ in 0..<40 { try live(&random) }
    }

    private func live(_ random: inout SeededRandom) throws {
        let all = Int.random(in: 1...60, using: &random)
        var epoch: Int64 = 1
        var recorded = makeJob(makeRequest(concurrency: 3), state: .running)
        /// Results that are in the tables.
        var ended: [Int: TenantState] = [:]
        while ended.count < all {
            let run = ActiveJob(
                recorded, lease: JobLease(replica: "r", epoch: epoch), clock: .system)
            if epoch > 1 {
                var counts = JobCounts()
                for state in ended.values { counts.add(1, to: state) }
                let keys = try ended.keys.map { try makeTarget($0).key }
                run.resume(ended: keys, counts: counts)
                #expect(run.snapshot.counts.total == all, "\(random)")
            }
            run.expect(total: all)
            var cursor = 0
            var held: [(Int, TargetWork)] = []
            while ended.count < all, Int.random(in: 0..<40, using: &random) > 0 {
                switch Int.random(in: 0..<3, using: &random) {
                case 0:
                    let page = (cursor..<min(all, cursor + 7)).filter { ended[$0] == nil }
                    cursor = min(all, cursor + 7)
                    _ = run.admit(try page.map { try makeWork($0) })
                case 1:
                    guard run.addWorker() || run.inFlight < 3,
                        case .work(let work) = run.next(preferring: nil)
                    else { continue }
                    let name = work.tenants.first?.id.dropFirst() ?? ""
                    held.append((Int(name) ?? -1, work))
                default:
                    guard let (tenant, work) = held.popLast() else { continue }
                    let state: TenantState = Bool.random(using: &random) ? .succeeded : .failed
                    _ = run.finishAttempt(on: work, TargetOutcome(state: state), retryAfter: nil)
                    ended[tenant] = state
                }
                #expect(run.snapshot.counts.total == all, "\(random)")
            }
            recorded = run.snapshot
            epoch += 1
        }
    }
}
