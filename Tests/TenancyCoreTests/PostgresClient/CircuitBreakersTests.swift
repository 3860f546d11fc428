import TestSupport
import Testing

@testable import PostgresClient

@Suite("Servers that are unavailable or full")
struct CircuitBreakersTests {
    private let start = ContinuousClock.now

    @Test("failures open the breaker of a server that was reached before, or that says so itself")
    func opening() {
        var breaker = CircuitBreakers.Breaker()
        breaker.recordFailure(isUnavailable: false, at: start)
        #expect(breaker.openSince == nil && breaker.allowsConnection(at: start))
        breaker.recordFailure(isUnavailable: true, at: start + .seconds(1))
        #expect(breaker.openSince == start + .seconds(1))
        breaker.recordFailure(isUnavailable: false, at: start + .seconds(2))
        #expect(breaker.openSince == start + .seconds(1))
        breaker.recordSuccess()
        #expect(breaker.openSince == nil)
        for second in 3...5 {
            #expect(breaker.openSince == nil)
            breaker.recordFailure(isUnavailable: false, at: start + .seconds(second))
        }
        #expect(breaker.openSince == start + .seconds(5))
    }

    @Test("an open breaker lets one probe at a time through, with pauses that grow to five seconds")
    func probing() {
        var breaker = CircuitBreakers.Breaker()
        breaker.recordFailure(isUnavailable: true, at: start)
        var tries: [Int64] = []
        for milliseconds in Int64(0)...30_000
        where breaker.allowsConnection(at: start + .milliseconds(milliseconds)) {
            tries.append(milliseconds)
        }
        #expect(tries == [250, 750, 1_750, 3_750, 7_750, 12_750, 17_750, 22_750, 27_750])
    }

    @Test("a probe that did not get as far as the server is followed by another at once")
    func returnedProbes() {
        var breaker = CircuitBreakers.Breaker()
        breaker.returnProbe(at: start)
        let isOpen = breaker.allowsConnection(at: start)
        #expect(isOpen && breaker.openSince == nil)
        breaker.recordFailure(isUnavailable: true, at: start)
        let later = start + .milliseconds(250)
        for _ in 0..<70 {
            let tries = [breaker.allowsConnection(at: later), breaker.allowsConnection(at: later)]
            #expect(tries == [true, false])
            breaker.returnProbe(at: later)
        }
        #expect(breaker.openSince == start)
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
