/// A number of permits, given out in the order of asking: an asynchronous semaphore.
package actor Permits {
    private struct Waiter {
        let id: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private var free: Int
    private var waiters: [Waiter] = []
    private var nextID = 0

    /// - Parameter count: how many may be out at once, at least 1.
    package init(_ count: Int) {
        precondition(count >= 1, "without a permit nothing would ever run")
        free = count
    }

    /// Waits for a permit; each needs one `release`.
    ///
    /// - Throws: `CancellationError` when the task is cancelled first.
    package func acquire() async throws(CancellationError) {
        if free > 0 {
            free -= 1
            return
        }
        nextID += 1
        let id = nextID
        let isGranted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // Cancelled already: the handler ran before there was anything to find.
                if Task.isCancelled { return continuation.resume(returning: false) }
                waiters.append(Waiter(id: id, continuation: continuation))
            }
        } onCancel: {
            Task { await self.abandon(id) }
        }
        if !isGranted { throw CancellationError() }
    }

    /// Gives a permit back, to the first who waits for one.
    package func release() {
        if waiters.isEmpty {
            free += 1
        } else {
            waiters.removeFirst().continuation.resume(returning: true)
        }
    }

    private func abandon(_ id: Int) {
        guard let index = waiters.firstIndex(where: { $0.id == id }) else { return }
        waiters.remove(at: index).continuation.resume(returning: false)
    }
}
