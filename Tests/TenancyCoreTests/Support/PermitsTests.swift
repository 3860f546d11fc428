import Synchronization
import Testing

@testable import Support

@Suite(.timeLimit(.minutes(1))) struct PermitsTests {
    /// How many permits are out, and the most that ever were.
    private final class Count: Sendable {
        private let state = Mutex((out: 0, most: 0))

        var out: Int { state.withLock { $0.out } }
        var most: Int { state.withLock { $0.most } }

        func change(by difference: Int) {
            state.withLock { state in
                state.out += difference
                state.most = max(state.most, state.out)
            }
        }
    }

    @Test("no more are out at once than there are, and all come through")
    func bound() async throws {
        let permits = Permits(3)
        let count = Count()
        try await withThrowingTaskGroup { group in
            for _ in 0..<50 {
                group.addTask {
                    try await permits.acquire()
                    count.change(by: 1)
                    await Task.yield()
                    count.change(by: -1)
                    await permits.release()
                }
            }
            try await group.waitForAll()
        }
        #expect(count.out == 0)
        #expect((1...3).contains(count.most))
    }

    @Test("who is cancelled while waiting leaves the line, and takes no permit with it")
    func cancelled() async throws {
        let permits = Permits(1)
        try await permits.acquire()
        let waiting = Task {
            do throws(CancellationError) {
                try await permits.acquire()
                return true
            } catch {
                return false
            }
        }
        waiting.cancel()
        #expect(await waiting.value == false)
        await permits.release()
        try await permits.acquire()
        await permits.release()
    }
}
