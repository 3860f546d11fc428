internal import Engine
internal import JobModel
internal import Support
internal import Synchronization

/// What the pager does to a job.
extension ActiveJob {
    /// Takes in how many tenants the registry counts.
    func expect(total: Int) {
        change { $0.expect(total: total) }
    }

    /// Takes in what was recorded under an earlier lease. Tenants that had been selected and have not
    /// ended are pending: their pages are read again.
    func resume(ended keys: some Sequence<Int64>, counts: JobCounts, lastEvent: Int64 = 0) {
        change { $0.resume(ended: keys, counts: counts, lastEvent: lastEvent) }
    }

    /// Ends a job that has found no tenant at all as broken: they were there when it was submitted.
    func failIfEmpty() {
        let isEmpty = state.withLock { !$0.tally.hasPagedTenants && !$0.isEnding }
        if isEmpty { fail(reason: "no_tenants") }
    }

    func finishPaging() {
        change { $0.finishPaging() }
        work.notify()
    }

    /// Whether the pager may bring another page.
    func hasRoom(for limit: Int) -> Bool {
        state.withLock { state in
            let isShort = state.queue.readyCount + state.targets.published.count < limit
            return isShort && state.queue.deferredCount < TargetQueue.deferredLimit
                || state.isEnding
        }
    }

    /// How a tenant's target stands in this job so far.
    func standing(ofTarget key: Int64) -> TargetLedger.Standing {
        state.withLock { $0.targets.standing(of: key) }
    }

    /// Counts tenants of a page that need no worker.
    func admit(ended results: [TenantResult], targets: [Int64]) {
        if results.isEmpty { return }
        change { $0.admit(ended: results, targets: targets) }
    }

    /// Queues targets of a page; one that is on its way already takes the tenants along.
    ///
    /// - Returns: those that have ended since the page was looked at; nothing is done to them twice.
    func admit(_ works: [TargetWork]) -> [TargetWork] {
        let ended = change { $0.admit(works, at: clock.now) }
        work.notify()
        results.notify()
        return ended
    }

    /// Ends a target that needs no work and was not queued.
    func admit(_ work: TargetWork, endedAs outcome: TargetOutcome) {
        change { $0.admit(work, endedAs: outcome, at: clock.now) }
        results.notify()
    }
}
