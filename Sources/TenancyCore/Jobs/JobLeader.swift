internal import Logging

/// Leads one job: pages its tenants, and keeps together what other daemons do of it.
struct JobLeader: Sendable {
    /// How often what others do is looked at, unless they say that there is something to see.
    private static let sharedPace = Duration.milliseconds(250)
    private static let pace = Duration.seconds(1)
    /// The least time between two looks, whatever is said.
    private static let shortestPause = Duration.milliseconds(20)
    /// Results of others that are read at once.
    private static let page = 500

    let run: JobRun
    let environment: JobEnvironment
    let retryOf: JobID?
    /// Results up to this event are known.
    let lastEvent: Int64

    /// Works until every tenant has ended, or none may be started any more.
    func callAsFunction() async {
        // A daemon that goes on with a job has no more than its share from the first moment.
        if run.isResumed { await look() }
        let sharing = Task { await keepTogether() }
        await JobRunner(run: run, environment: environment)(feed: page)
        sharing.cancel()
        await sharing.value
    }

    private func page(_ task: TargetTask) async {
        let pager = TenantPager(run: run, environment: environment, task: task, retryOf: retryOf)
        do throws(JobFailure) {
            try await pager.page()
        } catch {
            if run.isDraining { return }
            environment.logger.error(
                "A job cannot read its tenants to the end",
                metadata: ["job": "\(run.id)", "reason": "\(error)"])
            run.fail(reason: error.reason)
        }
    }

    // MARK: - Other daemons

    private func keepTogether() async {
        var cursor = lastEvent
        while !Task.isCancelled {
            let generation = run.sharing.generation
            let isShared = run.isShared
            if isShared || environment.peers.areThere {
                do throws(StatusError) {
                    try await share()
                    if isShared { cursor = try await gather(after: cursor) }
                } catch {
                    environment.logger.warning(
                        "What other daemons do of a job cannot be read",
                        metadata: ["job": "\(run.id)", "reason": "\(error)"])
                }
                try? await Task.sleep(for: JobLeader.shortestPause)
            }
            let pace = run.isShared ? JobLeader.sharedPace : JobLeader.pace
            await run.sharing.wait(after: generation, until: .after(pace))
        }
    }

    private func look() async {
        var pause = Duration.milliseconds(200)
        while !run.isDraining && !Task.isCancelled {
            do throws(StatusError) {
                return try await share()
            } catch {
                try? await Task.sleep(for: pause)
                pause = min(pause * 2, JobLeader.pace)
            }
        }
    }

    private func share() async throws(StatusError) {
        let use = run.use
        let share = try await environment.store.share(
            run.id, replica: run.lease.replica, running: use.running, inUse: use.inUse)
        if let share {
            run.setLimit(share.limit, runningElsewhere: share.runningElsewhere)
        }
    }

    /// Takes back what is this daemon's to do, and takes in what others have done.
    private func gather(after cursor: Int64) async throws(StatusError) -> Int64 {
        let store = environment.store
        let digest = environment.migrations.loaded.digest
        if run.isCancelling || !environment.peers.canHelp(with: digest) {
            try await store.withdrawOffers(of: run.id, lease: run.lease)
        } else if run.shortage > 0 {
            try await store.withdrawOffers(of: run.id, lease: run.lease, limit: run.shortage)
        }
        let own = try await store.ownAgain(run.offeredTenants, job: run.id, lease: run.lease)
        if !own.isEmpty { run.takeBack(own) }
        var cursor = cursor
        while true {
            let events = try await store.eventsElsewhere(
                of: run.id, after: cursor, limit: JobLeader.page)
            run.note(events.results)
            cursor = events.last
            if events.results.count < JobLeader.page { return cursor }
        }
    }
}
