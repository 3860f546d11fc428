import TestSupport
import Testing

@testable import Engine
@testable import JobModel
@testable import PostgresClient
@testable import Scheduler
@testable import Support
@testable import Tenants

@Suite struct TargetQueueTests {
    private func moment(_ milliseconds: Int64) -> Timestamp {
        Timestamp(milliseconds: milliseconds)
    }

    private func take(
        _ queue: inout TargetQueue, preferring database: Int? = nil, now: Int64 = 0
    ) throws -> String? {
        let key = try database.map { try makeTarget(0, in: $0).connection.databaseKey }
        return queue.dequeue(preferring: key, now: moment(now))?.tenants.first?.id
    }

    @Test("targets leave in the order in which they came")
    func order() throws {
        var queue = TargetQueue()
        for work in 0..<200 { queue.enqueue(try makeWork(work, in: work % 3)) }
        #expect(queue.readyCount == 200)
        for work in 0..<200 { #expect(try take(&queue) == "t\(work)") }
        #expect(queue.isEmpty)
        #expect(try take(&queue) == nil)
    }

    @Test("a worker's own database goes first, while it has targets")
    func preferred() throws {
        var queue = TargetQueue()
        for work in 0..<4 { queue.enqueue(try makeWork(work, in: work % 2)) }
        #expect(try take(&queue, preferring: 1) == "t1")
        #expect(try take(&queue, preferring: 1) == "t3")
        #expect(try take(&queue, preferring: 1) == "t0")
        #expect(try take(&queue, preferring: 9) == "t2")
    }

    @Test("a deferred target comes back when it is due, before the others")
    func deferred() throws {
        var queue = TargetQueue()
        queue.enqueue(try makeWork(1), notBefore: moment(30))
        queue.enqueue(try makeWork(2), notBefore: moment(10))
        queue.enqueue(try makeWork(3), notBefore: moment(10))
        queue.enqueue(try makeWork(4))
        #expect(queue.nextDue == moment(10))
        #expect(try take(&queue, now: 9) == "t4")
        #expect(try take(&queue, now: 9) == nil)
        #expect(!queue.isEmpty && queue.deferredCount == 3)
        #expect(try take(&queue, now: 10) == "t2")
        #expect(try take(&queue, now: 10) == "t3")
        #expect(try take(&queue, now: 29) == nil)
        #expect(try take(&queue, now: 30) == "t1")
        #expect(queue.isEmpty && queue.nextDue == nil)
    }

    @Test("unavailable servers are named once nothing waits for anything else")
    func unavailableServers() throws {
        var queue = TargetQueue()
        #expect(queue.unavailableServers.isEmpty)
        func enqueue(_ number: Int, isPostponed: Bool) throws {
            var work = try makeWork(number)
            var outcome = TargetOutcome(
                state: .failed,
                failure: TenantFailure(code: .server(.unavailable), message: "no server here"))
            outcome.isPostponed = isPostponed
            work.lastOutcome = outcome
            queue.enqueue(work, notBefore: moment(Int64(number)))
        }
        try enqueue(1, isPostponed: true)
        try enqueue(2, isPostponed: true)
        let server = try makeTarget(0).connection.serverKey
        #expect(queue.unavailableServers == [server])
        queue.enqueue(try makeWork(3))
        #expect(queue.unavailableServers.isEmpty, "one is ready")
        #expect(try take(&queue, now: 0) == "t3")
        #expect(queue.unavailableServers == [server])
        #expect(try take(&queue, now: 1) == "t1")
        #expect(queue.unavailableServers == [server])
        #expect(try take(&queue, now: 2) == "t2")
        #expect(queue.unavailableServers.isEmpty)
        try enqueue(4, isPostponed: true)
        try enqueue(5, isPostponed: false)
        #expect(queue.unavailableServers.isEmpty, "one waits for its next attempt")
    }

    @Test("emptying gives back what is there, each once")
    func removeAll() throws {
        var queue = TargetQueue()
        for work in 0..<5 { queue.enqueue(try makeWork(work, in: work % 2)) }
        _ = try take(&queue)
        queue.enqueue(try makeWork(9), notBefore: moment(5))
        let ids = queue.removeAll().compactMap(\.tenants.first?.id)
        #expect(ids.sorted() == ["t1", "t2", "t3", "t4", "t9"])
        #expect(queue.isEmpty && queue.readyCount == 0)
    }

    /// The same rules, written down in the plainest way.
    private struct Model {
        var ready: [(id: String, database: Int)] = []
        var deferred: [(due: Int64, id: String)] = []

        mutating func take(preferring database: Int?, now: Int64) -> String? {
            let due = deferred.indices.filter { deferred[$0].due <= now }
            if let first = due.min(by: { deferred[$0].due < deferred[$1].due }) {
                return deferred.remove(at: first).id
            }
            let own = ready.firstIndex { $0.database == database }
            return ready.isEmpty ? nil : ready.remove(at: own ?? 0).id
        }
    }

    @Test("any run of operations does what the plain rules say")
    func model() throws {
        var random = SeededRandom()
        for _ in 0..<20 {
            var queue = TargetQueue()
            var model = Model()
            var now: Int64 = 0
            for work in 0..<400 {
                let database = Int.random(in: 0..<4, using: &random)
                switch Int.random(in: 0..<8, using: &random) {
                case 0..<3:
                    queue.enqueue(try makeWork(work, in: database))
                    model.ready.append(("t\(work)", database))
                case 3:
                    let due = now + Int64.random(in: 0..<20, using: &random)
                    queue.enqueue(try makeWork(work, in: database), notBefore: moment(due))
                    model.deferred.append((due, "t\(work)"))
                default:
                    now += Int64.random(in: 0..<3, using: &random)
                    let preferred = Bool.random(using: &random) ? database : nil
                    let taken = try take(&queue, preferring: preferred, now: now)
                    #expect(taken == model.take(preferring: preferred, now: now), "\(random)")
                }
                #expect(queue.readyCount == model.ready.count, "\(random)")
                #expect(queue.deferredCount == model.deferred.count, "\(random)")
                #expect(queue.nextDue?.milliseconds == model.deferred.map(\.due).min(), "\(random)")
            }
        }
    }
}
