import Synchronization
import TestSupport
import Testing

@testable import Support

@Suite(.timeLimit(.minutes(5))) struct SignalTests {
    @Test("a change between the look and the wait ends the wait at once")
    func noLostWakeUp() async {
        let signal = Signal()
        let seen = signal.generation
        signal.notify()
        await signal.wait(after: seen)
        await signal.wait(after: seen, until: .after(.seconds(100)))
    }

    @Test("a wait ends at its deadline, and before it when the deadline has passed")
    func deadline() async {
        let signal = Signal()
        await signal.wait(after: signal.generation, until: .after(.milliseconds(5)))
        await signal.wait(after: signal.generation, until: .after(.zero))
    }

    @Test("a wait ends with its task, whether that is cancelled before or meanwhile")
    func cancellation() async {
        let signal = Signal()
        let seen = signal.generation
        for _ in 0..<200 {
            let task = Task { await signal.wait(after: seen) }
            task.cancel()
            await task.value
        }
        let task = Task { await signal.wait(after: seen, until: .after(.seconds(100))) }
        await Task.yield()
        task.cancel()
        await task.value
    }

    @Test("waiters that count a changing number see every value reached, under load")
    func load() async {
        let signal = Signal()
        let number = Counter()
        let rounds = 2_000
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    // Each waiter continues until it has seen the last number; a lost wake-up hangs.
                    while true {
                        let seen = signal.generation
                        if number.value == rounds { return }
                        await signal.wait(after: seen)
                    }
                }
            }
            for _ in 0..<2 {
                group.addTask {
                    for _ in 0..<(rounds / 2) {
                        number.add()
                        signal.notify()
                    }
                }
            }
        }
        #expect(number.value == rounds)
    }
}

private final class Counter: Sendable {
    private let count = Mutex(0)

    var value: Int { count.withLock { $0 } }

    func add() { count.withLock { $0 += 1 } }
}
