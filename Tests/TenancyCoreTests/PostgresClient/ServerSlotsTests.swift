import TestSupport
import Testing

@testable import PostgresClient
@testable import Support

@Suite("Slots of a server", .timeLimit(.minutes(5)))
struct ServerSlotsTests {
    @Test("no more than the limit are taken, and waiters follow in order")
    func limit() async throws {
        let slots = ServerSlots(limit: 2)
        try await slots.acquire("a:1")
        try await slots.acquire("a:1")
        let (order, continuation) = AsyncStream.makeStream(of: Int.self)
        let first = Task {
            try await slots.acquire("a:1")
            continuation.yield(1)
        }
        #expect(try await eventually { await slots.isContended("a:1") })
        #expect(await slots.used(at: "a:1") == 2)
        await slots.release("a:1")
        var iterator = order.makeAsyncIterator()
        #expect(await iterator.next() == 1)
        _ = await first.result
        #expect(await slots.used(at: "a:1") == 2)
        try await slots.acquire("b:1")
        #expect(await slots.used(at: "b:1") == 1)
    }

    @Test("a waiter whose task is cancelled gives its place in the line up")
    func cancelledWaiter() async throws {
        let slots = ServerSlots(limit: 1)
        try await slots.acquire("a:1")
        let waiter = Task { try await slots.acquire("a:1") }
        #expect(try await eventually { await slots.isContended("a:1") })
        waiter.cancel()
        await #expect(throws: PostgresError.cancelled(completedStatements: 0)) {
            try await waiter.value
        }
        await slots.release("a:1")
        #expect(await slots.used(at: "a:1") == 0)
    }

    @Test("a waiter gives up at its deadline, and its place goes to the next")
    func deadline() async throws {
        let slots = ServerSlots(limit: 1)
        try await slots.acquire("a:1")
        await #expect(throws: PostgresError.deadlinePassed) {
            try await slots.acquire("a:1", until: .after(.milliseconds(5)))
        }
        await #expect(throws: PostgresError.deadlinePassed) {
            try await slots.acquire("a:1", until: .after(.zero))
        }
        #expect(await !slots.isContended("a:1"))
        await slots.release("a:1")
        try await slots.acquire("a:1", until: .after(.zero))
        #expect(await slots.used(at: "a:1") == 1)
    }

    @Test("however waiters come, are cancelled and give back, no place is lost")
    func churn() async throws {
        let slots = ServerSlots(limit: 3)
        var random = SeededRandom()
        var choices: [Bool] = []
        for _ in 0..<600 { choices.append(Bool.random(using: &random)) }
        await withTaskGroup { group in
            for isCancelled in choices {
                group.addTask {
                    let task = Task {
                        try await slots.acquire("a:1")
                        await Task.yield()
                        await slots.release("a:1")
                    }
                    if isCancelled { task.cancel() }
                    _ = await task.result
                }
            }
        }
        #expect(await slots.used(at: "a:1") == 0, "\(random)")
        #expect(await !slots.isContended("a:1"), "\(random)")
    }
}
