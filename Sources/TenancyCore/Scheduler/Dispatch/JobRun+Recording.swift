internal import JobModel
internal import Support
internal import Synchronization

/// What the recorder does to a live job, and those who wait for it.
extension JobRun {
    /// The oldest results that are not recorded yet; they stay until `didRecord`.
    func unrecorded(limit: Int) -> [TenantResult] {
        state.withLock { Array($0.unrecorded.prefix(limit)) }
    }

    func didRecord(_ count: Int) {
        let wasFull = state.withLock { state in
            let wasFull = state.unrecorded.count > DispatchGate.unrecordedLimit
            state.unrecorded.removeFirst(count)
            state.recorded += count
            return wasFull
        }
        results.notify()
        if wasFull { work.notify() }
    }

    /// Waits until every result that is known now has been recorded, the deadline passes, or, where
    /// `endsWithDrain` is set, the job is being drained.
    func waitUntilRecorded(until deadline: Deadline = .never, endsWithDrain: Bool = true) async {
        let wanted = state.withLock { $0.recorded + $0.unrecorded.count }
        while !deadline.hasPassed && !Task.isCancelled {
            let generation = results.generation
            let isOver = state.withLock { state in
                let isDone = state.recorded >= wanted
                if !isDone { state.isFlushWanted = true }
                return isDone || endsWithDrain && state.isDraining
            }
            if isOver { return }
            flushes.notify()
            await results.wait(after: generation, until: deadline)
        }
    }

    /// Whether somebody waits for results to be recorded; asking takes the wish back.
    func takeFlushWish() -> Bool {
        state.withLock { state in
            defer { state.isFlushWanted = false }
            return state.isFlushWanted
        }
    }
}
