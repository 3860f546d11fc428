internal import Synchronization

/// Wakes those who wait for a state to change, without polling and without losing a wake-up.
///
/// A waiter notes the `generation`, looks at the state, and then waits for a later generation: a
/// change in between ends the wait at once.
package final class Signal: Sendable {
    private struct State {
        var generation = 0
        var nextID = 0
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    package var generation: Int { state.withLock { $0.generation } }

    /// Ends every wait.
    package func notify() {
        let woken = state.withLock { state in
            state.generation += 1
            defer { state.waiters.removeAll() }
            return state.waiters.values.map { $0 }
        }
        for waiter in woken { waiter.resume() }
    }

    /// Waits for a generation after `seen`, at most until `deadline` or the end of the task.
    package func wait(after seen: Int, until deadline: Deadline = .never) async {
        guard let remaining = deadline.remaining else { return await wait(after: seen) }
        if remaining == .zero { return }
        await withTaskGroup { group in
            group.addTask { await self.wait(after: seen) }
            group.addTask { try? await Task.sleep(for: remaining) }
            await group.next()
            group.cancelAll()
        }
    }

    private func wait(after seen: Int) async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.generation != seen || Task.isCancelled { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }
}
