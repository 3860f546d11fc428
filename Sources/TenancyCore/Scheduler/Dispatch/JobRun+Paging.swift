internal import Engine
internal import JobModel
internal import Support
internal import Synchronization
internal import Tenants

/// What the pager does to a live job.
extension JobRun {
    /// Targets set aside at once; beyond it no further page is brought, so that a fleet whose server
    /// is away does not end up in memory as a whole.
    static let asideLimit = 5_000

    /// Takes in how many tenants the registry counts. Those that an earlier lease had selected stay
    /// counted until their pages have come, or it is known that they have gone.
    func expect(total: Int) {
        change { $0.unpaged = max($0.unpaged, total - $0.job.counts.total) }
    }

    /// Takes over what was recorded under an earlier lease. Tenants that had been selected and have
    /// not ended are pending: their pages are read again.
    package func resume(ended keys: some Sequence<Int64>, counts: JobCounts, lastEvent: Int64 = 0) {
        change { state in
            state.lastEvent = lastEvent
            state.endedTargets = Set(keys)
            state.unpaged = max(0, state.job.counts.total - counts.total)
            state.job.counts = counts
        }
    }

    /// Ends a job that has found no tenant at all as broken: they were there when it was submitted.
    func failIfEmpty() {
        let isEmpty = state.withLock { state in
            state.job.counts.total == 0 && !state.isDraining && !state.isCancelling
        }
        if isEmpty { fail(reason: "no_tenants") }
    }

    func pagingIsDone() {
        change { state in
            state.isPagingDone = true
            state.unpaged = 0
        }
        work.notify()
    }

    /// Whether the pager may bring another page.
    func hasRoom(for limit: Int) -> Bool {
        state.withLock { state in
            state.queue.readyCount + state.offered.count < limit
                && state.queue.asideCount < JobRun.asideLimit || state.isDraining
                || state.isCancelling
        }
    }

    /// How a tenant's target stands in this job so far.
    enum TargetStanding { case new, inFlight, ended }

    func standing(ofTarget key: Int64) -> TargetStanding {
        state.withLock { state in
            if state.endedTargets.contains(key) { return .ended }
            return state.inFlight[key] == nil ? .new : .inFlight
        }
    }

    /// Counts tenants of a page that need no worker.
    package func add(ended results: [TenantResult], targets: [Int64]) {
        if results.isEmpty { return }
        change { state in
            state.unpaged = max(0, state.unpaged - results.count)
            state.endedTargets.formUnion(targets)
            for result in results {
                state.job.counts.add(1, to: result.state)
                JobRun.noteFailure(result, &state)
            }
        }
    }

    /// Queues targets of a page; one that is on its way already takes the tenants along. Once the
    /// job is being cancelled they end like those that waited.
    ///
    /// - Returns: those that have ended since the page was looked at; nothing is done to them twice.
    package func add(_ works: [TargetWork]) -> [TargetWork] {
        let ended = change { state in
            var ended: [TargetWork] = []
            for work in works {
                state.unpaged = max(0, state.unpaged - work.tenants.count)
                state.job.counts.pending += work.tenants.count
                let key = work.target.key
                if state.endedTargets.contains(key) {
                    ended.append(work)
                } else if state.inFlight[key] != nil {
                    state.inFlight[key]?.append(contentsOf: work.tenants)
                } else if state.isCancelling {
                    JobRun.end(work, work.cancelledOutcome, &state, at: clock.now)
                } else {
                    state.inFlight[key] = []
                    state.queue.add(work)
                }
            }
            return ended
        }
        work.notify()
        results.notify()
        return ended
    }
}
