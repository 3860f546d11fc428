import TestSupport
import Testing

@testable import PostgresClient

@Suite("Servers that are away or full")
struct ServerHealthTests {
    private let start = ContinuousClock.now

    @Test("a server that was never reached is not away for refusing, and one that says so is")
    func becomingAway() {
        var server = ServerHealth.Server()
        server.refused(isAway: false, at: start)
        #expect(server.awaySince == nil && server.mayTry(at: start))
        server.refused(isAway: true, at: start + .seconds(1))
        #expect(server.awaySince == start + .seconds(1))
        server.refused(isAway: false, at: start + .seconds(2))
        #expect(server.awaySince == start + .seconds(1))
        server.reached()
        #expect(server.awaySince == nil)
        for second in 3...5 {
            #expect(server.awaySince == nil)
            server.refused(isAway: false, at: start + .seconds(second))
        }
        #expect(server.awaySince == start + .seconds(5))
    }

    @Test("while a server is away one at a time tries it, with pauses that grow to five seconds")
    func probing() {
        var server = ServerHealth.Server()
        server.refused(isAway: true, at: start)
        var tries: [Int64] = []
        for milliseconds in Int64(0)...30_000
        where server.mayTry(at: start + .milliseconds(milliseconds)) {
            tries.append(milliseconds)
        }
        #expect(tries == [250, 750, 1_750, 3_750, 7_750, 12_750, 17_750, 22_750, 27_750])
    }

    @Test("a try that did not get as far as the server leaves the next one its turn")
    func turns() {
        var server = ServerHealth.Server()
        server.learnedNothing(at: start)
        let isOpen = server.mayTry(at: start)
        #expect(isOpen && server.awaySince == nil)
        server.refused(isAway: true, at: start)
        let later = start + .milliseconds(250)
        for _ in 0..<70 {
            let tries = [server.mayTry(at: later), server.mayTry(at: later)]
            #expect(tries == [true, false])
            server.learnedNothing(at: later)
        }
        #expect(server.awaySince == start)
    }

    @Test("a full server gets no more than it took, and every ten seconds twice as many more")
    func adapting() {
        var limit = AdaptiveLimit(most: 20)
        limit.succeeded(at: start)
        #expect(limit.current == 20)
        limit.refused(used: 2, at: start)
        #expect(limit.current == 2)
        limit.refused(used: 0, at: start)
        #expect(limit.current == 1)
        var seen: [Int] = []
        for second in 1...50 {
            limit.succeeded(at: start + .seconds(second))
            if second % 10 == 9 || second % 10 == 0 { seen.append(limit.current) }
        }
        #expect(seen == [1, 2, 2, 4, 4, 8, 8, 16, 16, 20])
        // Found full again, it is asked for one more again.
        limit.refused(used: 5, at: start + .seconds(50))
        limit.succeeded(at: start + .seconds(60))
        #expect(limit.current == 6)
    }

    @Test(
        "whoever waits for a slot of a server that was full gets it when the server has room again")
    func slots() async throws {
        let slots = ServerSlots(limit: 3)
        for _ in 0..<3 { try await slots.acquire("a:1") }
        await slots.wasFull("a:1")
        await slots.release("a:1")
        #expect(await slots.used(at: "a:1") == 2)
        async let third: Void = slots.acquire("a:1")
        #expect(try await eventually { await slots.isContended("a:1") })
        await slots.release("a:1")
        try await third
        #expect(await slots.used(at: "a:1") == 2)
        await slots.release("a:1")
        await slots.release("a:1")
        #expect(await slots.used(at: "a:1") == 0)
    }
}
