internal import Engine
internal import JobModel
internal import Support
internal import Synchronization

/// What the workers do to a job.
extension ActiveJob {
    var isWorkDone: Bool { state.withLock { $0.isWorkDone } }

    /// Whether nothing waits for a worker.
    var isIdle: Bool { state.withLock { $0.queue.isEmpty } }

    /// How many targets this replica migrates now.
    var inFlight: Int { state.withLock { $0.workers.busy } }

    /// Whether one more worker would have something to do; counts it in.
    func addWorker() -> Bool { state.withLock { $0.addWorker() } }

    enum Next {
        case work(TargetWork)
        /// Nothing to do before this moment, if there is one.
        case wait(generation: Int, until: Deadline)
        case end
    }

    /// The next target for a worker that holds a connection to the database `preferred`.
    func next(preferring preferred: String?) -> Next {
        let generation = work.generation
        let now = clock.now
        var isLast = false
        var isShort = lease.isAssistant
        var isNews = false
        let next: Next = state.withLock { state in
            switch state.gate.answer {
            case .closed:
                state.workers.total -= 1
                return .end
            case .held(let holds):
                if holds.contains(.replicaQuota) { state.quota.holdBack() }
                isNews = state.refreshHolds(at: now)
                return .wait(generation: generation, until: .never)
            case .open: break
            }
            if let work = state.startNext(preferring: preferred, at: now) {
                isLast = state.isPagingDone && state.queue.isEmpty
                isShort =
                    state.queue.readyCount < state.quota.limit && !state.targets.published.isEmpty
                return .work(work)
            }
            let due = state.queue.nextDue.map { $0.milliseconds(since: now) }
            return .wait(
                generation: generation,
                until: due.map { .after(.milliseconds(max(1, $0))) } ?? .never)
        }
        switch next {
        case .work:
            changes.notify()
            room.notify()
            // Those that wait for more learn that there is none.
            if isLast { work.notify() }
            if isShort { coordination.notify() }
        // Somebody may be needed in the place of one who left.
        case .end: work.notify()
        case .wait: if isNews { changes.notify() }
        }
        return next
    }

    /// Counts a worker as idle while it waits.
    func waitForWork(after generation: Int, until deadline: Deadline) async {
        state.withLock { $0.workers.idle += 1 }
        await work.wait(after: generation, until: deadline)
        state.withLock { $0.workers.idle -= 1 }
    }

    /// Shows how far a statement is that one of the tenants waits for.
    func updateProgress(_ progress: StatementProgress?, of tenantIDs: [String]) {
        change { $0.started.update(progress, of: tenantIDs) }
    }

    /// What becomes of a target after an attempt.
    enum Disposition {
        case ended
        /// It waits for another attempt.
        case deferred
        /// Whoever takes the job over does it.
        case left
    }

    /// Takes in how an attempt on a target ended. The next one is made after `pause`; without it this
    /// was the last.
    func finishAttempt(
        on work: TargetWork, _ outcome: TargetOutcome, retryAfter pause: Duration?
    ) -> Disposition {
        let disposition = change {
            $0.finishAttempt(on: work, outcome, retryAfter: pause, at: clock.now)
        }
        switch disposition {
        case .ended:
            results.notify()
            if isWorkDone { self.work.notify() }
        case .deferred: self.work.notify()
        case .left: break
        }
        return disposition
    }

    /// Ends a target that no worker had in hand.
    func end(_ work: TargetWork, _ outcome: TargetOutcome) {
        change { $0.end(work, outcome, at: clock.now) }
        results.notify()
    }
}
