import TestSupport
import Testing

@testable import TenancyCore

@Suite("Slots of a server")
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
        await #expect(throws: PostgresError.self) { try await waiter.value }
        await slots.release("a:1")
        #expect(await slots.used(at: "a:1") == 0)
    }
}
