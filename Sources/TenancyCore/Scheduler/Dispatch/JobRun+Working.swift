internal import Engine
internal import JobModel
internal import Support
internal import Synchronization
internal import Tenants

/// What the workers do to a live job.
extension JobRun {
    private static let firstErrorsLimit = 10

    /// Whether no worker will ever have anything to do again. One with a target in hand may still
    /// set it aside.
    var isWorkDone: Bool {
        state.withLock { state in
            if state.isDraining { return true }
            guard state.isPagingDone, state.offered.isEmpty else { return false }
            return state.isCancelling || state.queue.isEmpty && state.busyWorkers == 0
        }
    }

    /// Whether one more worker would have something to do; counts it in.
    func wantsWorker() -> Bool {
        state.withLock { state in
            // What was set aside needs somebody who waits for it.
            let hasWork =
                state.queue.readyCount > state.idleWorkers
                || state.workers == 0 && !state.queue.isEmpty
            guard state.workers < state.limit, hasWork, !state.isCancelling else { return false }
            state.workers += 1
            return true
        }
    }

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
        let next: Next = state.withLock { state in
            switch state.gate.answer {
            case .closed:
                state.workers -= 1
                return .end
            case .held(let holds):
                if holds.contains(.replicaQuota) { state.isHeldBack = true }
                return .wait(generation: generation, until: .never)
            case .open: break
            }
            if let work = state.queue.take(preferring: preferred, now: now) {
                isLast = state.isPagingDone && state.queue.isEmpty
                isShort = state.queue.readyCount < state.limit && !state.offered.isEmpty
                state.busyWorkers += 1
                return .work(JobRun.start(work, &state, at: now))
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
            if isShort { sharing.notify() }
        // Somebody may be needed in the place of one who left.
        case .end: work.notify()
        case .wait: break
        }
        return next
    }

    /// Counts a worker as idle while it waits.
    func waitForWork(after generation: Int, until deadline: Deadline) async {
        state.withLock { $0.idleWorkers += 1 }
        await work.wait(after: generation, until: deadline)
        state.withLock { $0.idleWorkers -= 1 }
    }

    private static func start(
        _ work: TargetWork, _ state: inout State, at now: Timestamp
    ) -> TargetWork {
        var work = work
        work.attempts += 1
        work.startedAt = work.startedAt ?? now
        for tenant in work.tenants {
            var result = TenantResult(
                tenantID: tenant.id, identifier: tenant.identifier, state: .running)
            result.attempts = work.attempts
            result.startedAt = work.startedAt
            result.fromRevisions = work.progress?.from ?? work.state?.revisions
            result.failure = work.lastOutcome?.failure
            state.running[tenant.id] = result
            state.aside[tenant.id] = nil
        }
        state.job.counts.move(work.tenants.count, from: .pending, to: .running)
        state.job.version += 1
        return work
    }

    /// Shows how far a statement is that one of the tenants waits for.
    func note(_ progress: StatementProgress?, of tenantIDs: [String]) {
        change { state in
            for id in tenantIDs { state.running[id]?.progress = progress }
        }
    }

    /// What becomes of a target after an attempt.
    enum Settlement { case ended, setAside, left }

    /// Takes in how an attempt on a target ended. The next one is made after `pause`; without it this
    /// was the last.
    func settle(
        _ work: TargetWork, _ outcome: TargetOutcome, retryAfter pause: Duration?
    ) -> Settlement {
        let settlement = change { state in
            let now = clock.now
            state.busyWorkers -= 1
            let isOpen = outcome.state == .cancelled || pause != nil
            if state.isDraining && isOpen {
                // Whoever goes on with the job asks the tenant itself.
                JobRun.putBack(work, &state)
                return Settlement.left
            }
            if let pause, !state.isCancelling {
                var work = work
                work.lastOutcome = outcome
                if outcome.isPostponed { work.attempts -= 1 }
                JobRun.setAside(work, outcome, &state)
                state.queue.setAside(
                    work,
                    until: Timestamp(milliseconds: now.milliseconds + pause.milliseconds))
                return .setAside
            }
            JobRun.end(work, outcome, &state, at: now)
            return .ended
        }
        switch settlement {
        case .ended:
            results.notify()
            if isWorkDone { self.work.notify() }
        case .setAside: self.work.notify()
        case .left: break
        }
        return settlement
    }

    /// Ends a target that no worker had in hand.
    func end(_ work: TargetWork, _ outcome: TargetOutcome) {
        change { JobRun.end(work, outcome, &$0, at: clock.now) }
        results.notify()
    }

    private static func setAside(
        _ work: TargetWork, _ outcome: TargetOutcome, _ state: inout State
    ) {
        for tenant in work.tenants {
            var result = state.running[tenant.id]
            result?.state = .pending
            result?.attempts = work.attempts
            result?.failure = outcome.failure
            state.aside[tenant.id] = result
        }
        putBack(work, &state)
    }

    private static func putBack(_ work: TargetWork, _ state: inout State) {
        for tenant in work.tenants { state.running[tenant.id] = nil }
        state.job.counts.move(work.tenants.count, from: .running, to: .pending)
    }

    /// Each tenant of the target gets the outcome, those of later pages included.
    static func end(
        _ work: TargetWork, _ outcome: TargetOutcome, _ state: inout State, at now: Timestamp
    ) {
        let joined = state.inFlight.removeValue(forKey: work.target.key) ?? []
        state.endedTargets.insert(work.target.key)
        for tenant in work.tenants + joined {
            let wasRunning = state.running.removeValue(forKey: tenant.id) != nil
            state.aside[tenant.id] = nil
            let result = TenantResult(tenant, work, outcome, finishedAt: now)
            state.job.counts.move(1, from: wasRunning ? .running : .pending, to: result.state)
            noteFailure(result, &state)
            state.unrecorded.append(result)
        }
    }

    static func noteFailure(_ result: TenantResult, _ state: inout State) {
        guard let failure = result.failure, result.state == .failed,
            state.job.firstErrors.count < firstErrorsLimit
        else { return }
        state.job.firstErrors.append(
            JobFailureNote(
                tenantID: result.tenantID, identifier: result.identifier, error: failure.message))
    }
}
