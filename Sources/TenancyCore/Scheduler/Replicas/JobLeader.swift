internal import ControlStore
internal import Engine
internal import JobModel
internal import Logging
internal import Revisions
internal import Support

/// Leads one job: pages its tenants, and keeps together what other replicas do of it.
struct JobLeader: Sendable {
    /// How often what others do is looked at, unless they say that there is something to see.
    private static let sharedPollInterval = Duration.milliseconds(250)
    private static let pollInterval = Duration.seconds(1)
    /// The least time between two looks, whatever is said.
    private static let shortestPause = Duration.milliseconds(20)
    /// Results of others that are read at once.
    private static let page = 500

    let job: ActiveJob
    let runner: JobRunner
    let makePager: @Sendable () -> TenantPager
    let store: ControlDatabase
    let replicas: Replicas
    let migrations: MigrationLibrary
    let logger: Logger

    /// Works until every tenant has ended, or none may be started any more.
    func callAsFunction() async {
        // A replica that takes over a job has no more than its share from the first moment.
        if job.isResumed { await retryUntilDone(requestQuota) }
        let sharing = Task { await coordinate() }
        await runner(feed: page)
        sharing.cancel()
        await sharing.value
        // What others ended before its page was read is in the tables only.
        if job.isResumed && !job.isDraining { await retryUntilDone(collect) }
    }

    private func page() async {
        do throws(JobFailure) {
            try await makePager().page()
        } catch {
            if job.isDraining { return }
            logger.error(
                "Reading the tenants of a job failed, giving up",
                metadata: ["job": "\(job.id)", "reason": "\(error)"])
            job.fail(reason: error.reason)
        }
    }

    // MARK: - Other replicas

    private func coordinate() async {
        var shown = 0
        while !Task.isCancelled {
            let generation = job.coordination.generation
            if job.isShared || job.isResumed || job.hasPartialQuota || replicas.hasPeers {
                do throws(StatusError) {
                    try await requestQuota()
                    shown = try await show(after: shown)
                    if job.isShared || job.isResumed { try await collect() }
                } catch {
                    if !Task.isCancelled && !job.isDraining { warn(error) }
                }
                try? await Task.sleep(for: JobLeader.shortestPause)
            }
            let pollInterval = job.isShared ? JobLeader.sharedPollInterval : JobLeader.pollInterval
            await job.coordination.wait(after: generation, until: .after(pollInterval))
        }
    }

    private func retryUntilDone(_ body: () async throws(StatusError) -> Void) async {
        var backoff = Backoff(from: .milliseconds(200), upTo: JobLeader.pollInterval)
        while !job.isDraining && !Task.isCancelled {
            do throws(StatusError) {
                return try await body()
            } catch {
                warn(error)
                try? await Task.sleep(for: backoff.next())
            }
        }
    }

    private func warn(_ error: StatusError) {
        logger.warning(
            "Results of other replicas cannot be read, retrying",
            metadata: ["job": "\(job.id)", "reason": "\(error)"])
    }

    private func requestQuota() async throws(StatusError) {
        _ = try await QuotaRequest(job: job, replicas: store.replicas)()
    }

    /// Writes down how the job stands, for those who ask another replica: results do so by themselves,
    /// but there may be none for long.
    private func show(after version: Int) async throws(StatusError) -> Int {
        let snapshot = job.snapshot
        if snapshot.version == version || snapshot.state.isFinal { return version }
        try await store.jobs.update(snapshot, lease: job.lease)
        await store.replicas.notify(.job(job.id))
        return snapshot.version
    }

    /// Takes back what is this replica's to do, and takes in what others have done.
    private func collect() async throws(StatusError) {
        let digest = migrations.loaded.digest
        if job.isCancelling || !replicas.canAssist(with: digest) {
            try await store.handovers.withdraw(of: job.id, lease: job.lease)
        } else if job.demand > 0 {
            try await store.handovers.withdraw(of: job.id, lease: job.lease, limit: job.demand)
        }
        let own = try await store.handovers.reclaim(
            job.publishedTenants, job: job.id, lease: job.lease)
        if !own.isEmpty { job.reclaim(own) }
        var isMore = true
        while isMore {
            let events = try await store.handovers.results(
                of: job.id, after: job.lastEvent, limit: JobLeader.page)
            job.merge(events.results, upTo: events.last)
            isMore = events.results.count == JobLeader.page
        }
    }
}
