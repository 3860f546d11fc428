internal import JobModel
internal import Support
internal import Synchronization

/// What the recorder does to a job, and those who wait for it.
extension ActiveJob {
    /// The oldest results that are not recorded yet; they stay until `didRecord`.
    func unrecorded(limit: Int) -> [TenantResult] {
        state.withLock { $0.results.prefix(limit) }
    }

    func didRecord(_ count: Int) {
        let wasFull = state.withLock { state in
            let wasFull = state.results.count > DispatchGate.unrecordedLimit
            state.results.removeFirst(count)
            return wasFull
        }
        results.notify()
        if wasFull { work.notify() }
    }

    /// Waits until every result that is known now has been recorded, the deadline passes, or, where
    /// `endsWithDrain` is set, the job is being drained.
    func waitUntilRecorded(until deadline: Deadline = .never, endsWithDrain: Bool = true) async {
        let end = state.withLock { $0.results.end }
        while !deadline.hasPassed && !Task.isCancelled {
            let generation = results.generation
            let isOver = state.withLock { state in
                if state.results.hasRecorded(upTo: end) { return true }
                state.results.requestFlush()
                return endsWithDrain && state.isDraining
            }
            if isOver { return }
            flushes.notify()
            await results.wait(after: generation, until: deadline)
        }
    }

    /// Whether somebody waits for results to be recorded; asking withdraws the request.
    func consumeFlushRequest() -> Bool {
        state.withLock { $0.results.consumeFlushRequest() }
    }
}
