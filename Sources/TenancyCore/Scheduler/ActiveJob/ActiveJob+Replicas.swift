internal import Engine
internal import JobModel
internal import Support
internal import Synchronization

/// What is shared of a job with other replicas.
extension ActiveJob {
    /// Whether this replica has less than all of the job's concurrency, or does not know how much.
    var hasPartialQuota: Bool {
        state.withLock { $0.quota.isPartial(of: request.concurrency) }
    }

    /// How many more targets this replica has a use for at once.
    var demand: Int { state.withLock { $0.demand } }

    /// The number of the newest result of other replicas that is counted here.
    var lastEvent: Int64 { state.withLock { $0.lastEvent } }

    /// Whether other replicas have a part in the job, or may have.
    var isShared: Bool { state.withLock { !$0.targets.published.isEmpty } }

    /// The first tenants of the published targets, in whose names those are in the tables.
    var publishedTenants: [String] { state.withLock { $0.targets.publishedTenants } }

    /// What is in flight, which is all that may be until `grant`.
    func freezeInFlight() -> (count: Int, tenants: [String]) {
        state.withLock { state in
            state.quota.freeze(at: state.workers.busy)
            return (state.workers.busy, state.started.running.keys.sorted())
        }
    }

    /// Sets how many tenants may be migrated at once here.
    func grant(_ limit: Int, runningElsewhere: Int) {
        let isNew = state.withLock { $0.grant(limit, runningElsewhere: runningElsewhere) }
        if isNew { work.notify() }
    }

    /// Starts nothing while the lease is in doubt.
    func hold(_ isInDoubt: Bool) {
        let isNew = state.withLock { state in
            defer { state.isLeaseInDoubt = isInDoubt }
            return state.isLeaseInDoubt != isInDoubt
        }
        if isNew { work.notify() }
    }

    /// Counts targets of a page that other replicas may claim or have claimed, in the name of the first
    /// tenant of each.
    ///
    /// - Returns: those that have ended since the page was looked at, without that tenant, who was
    ///   counted with his result.
    func publish(_ works: [TargetWork]) -> [TargetWork] {
        let ended = change { $0.publish(works) }
        coordination.notify()
        return ended
    }

    /// Waits until no other replica has a part in the job, or the job is being left.
    func waitUntilUnshared() async {
        while !Task.isCancelled {
            let generation = results.generation
            if state.withLock({ $0.isDraining || $0.targets.published.isEmpty }) { return }
            coordination.notify()
            await results.wait(after: generation, until: .after(.seconds(1)))
        }
    }

    /// Queues published targets whose tenants are this replica's own again; true marks those that a
    /// replica had claimed which died.
    func reclaim(_ tenants: [String: Bool]) {
        change { $0.reclaim(tenants, at: clock.now) }
        work.notify()
        results.notify()
    }

    /// Takes in the results that other replicas recorded up to `event`.
    func merge(_ results: [(result: TenantResult, targetKey: Int64?)], upTo event: Int64) {
        if results.isEmpty { return state.withLock { $0.lastEvent = event } }
        change { $0.merge(results, upTo: event, at: clock.now) }
        for signal in [self.results, work, room] { signal.notify() }
    }
}
