package import ControlStore
package import JobModel
package import Logging
package import PostgresClient
package import Revisions
package import Support
package import Tenants

/// Takes jobs, runs as many of them at once as allowed, controls them, and takes over the jobs of
/// replicas that died.
package actor JobScheduler {
    struct Live {
        let job: ActiveJob
        let retryOf: JobID?
        var execution: Task<Void, Never>?
    }

    let settings: SchedulerSettings
    let replica: String
    let executor: JobExecutor
    let store: ControlDatabase
    let registry: any TenantRegistry
    let migrations: MigrationLibrary
    let replicas: Replicas
    /// Where notifications come from; without it other replicas are only polled.
    let channel: Notifier?
    let slots: ServerSlots
    let metrics: Metrics
    let clock: WallClock
    let logger: Logger
    let startedAt: Timestamp
    var live: [JobID: Live] = [:]
    /// Jobs that other replicas lead and some of whose tenants are worked on here.
    var assisting: [JobID: Live] = [:]
    /// Jobs that wait for a place, oldest first.
    var waiting: [JobID] = []
    /// Jobs that were left before their end, until it is known that the tables still have them.
    var left: [JobID: LeftJob] = [:]
    /// Jobs that are being recorded, for which a place in the queue is kept.
    private var arriving = 0
    var isDraining = false
    var leases: LeaseClock
    /// When the control database last answered a heartbeat; at first, when the daemon started.
    var heartbeatAt: ContinuousClock.Instant
    /// Notified whenever a job of this replica has ended.
    package nonisolated let endings = Signal()
    /// Tasks that run for as long as the daemon lives.
    var housekeeping: [Task<Void, Never>] = []
    /// Words of other replicas, and renewals of the leases.
    let signals = NotificationSignals()

    /// A scheduler under the UUID `replica`, which is new with each start of a daemon.
    package init(
        settings: SchedulerSettings, replica: String, executor: JobExecutor, store: ControlDatabase,
        registry: any TenantRegistry, migrations: MigrationLibrary, replicas: Replicas,
        channel: Notifier? = nil, slots: ServerSlots, metrics: Metrics,
        clock: WallClock = .system, logger: Logger
    ) {
        self.settings = settings
        self.replica = replica
        self.executor = executor
        self.store = store
        self.registry = registry
        self.migrations = migrations
        self.replicas = replicas
        self.channel = channel
        self.slots = slots
        self.metrics = metrics
        self.clock = clock
        self.logger = logger
        startedAt = clock.now
        let now = ContinuousClock.now
        leases = LeaseClock(duration: settings.leaseDuration, now: now)
        heartbeatAt = now
        JobScheduler.beginCounters(metrics)
    }

    /// This replica as the others see it.
    var localReplica: Replica {
        Replica(
            id: replica, version: Version.current,
            migrations: migrations.loaded.digest, startedAt: startedAt)
    }

    /// The ids of the other replicas that live.
    package var otherReplicas: [String] { replicas.peers.map(\.id) }

    // MARK: - Taking jobs

    /// Takes a job: it is recorded before this returns.
    package func submit(
        _ request: JobRequest, caller: Caller, idempotency key: IdempotencyKey? = nil
    ) async throws(SubmissionError) -> Submission {
        if let earlier = try await replay(key) { return earlier }
        let resolved = try resolve(request)
        try await requireKnown(request.tenants.ids)
        if !request.allowEmpty { try await requireSomebody(request.tenants) }
        return try await accept(
            request, resolved: resolved, retryOf: nil, caller: caller, key: key)
    }

    /// A new job over the failed and cancelled tenants of `id`, with the same options.
    package func retry(
        _ id: JobID, caller: Caller, idempotency key: IdempotencyKey? = nil
    ) async throws(SubmissionError) -> Submission {
        let found: JobSnapshot?
        do throws(StatusError) {
            found = try await snapshot(id)
        } catch {
            throw .store(error)
        }
        guard let job = found else { throw .jobNotFound(id) }
        guard job.state.isFinal else { throw .conflict(state: job.state) }
        guard job.counts.failed + job.counts.cancelled > 0 else { throw .noTenantsToRetry(id) }
        let resolved = try resolve(job.request)
        return try await accept(
            job.request, resolved: resolved, retryOf: id, caller: caller, key: key)
    }

    /// The job that has the key already. Looked for first: a request that is sent again is answered
    /// with its job, also when it would not be taken any more.
    private func replay(
        _ key: IdempotencyKey?
    ) async throws(SubmissionError) -> Submission? {
        guard let key else { return nil }
        var known: JobTable.Insertion?
        var job: JobSnapshot?
        do throws(StatusError) {
            known = try await store.jobs.insertion(earlierUnder: key)
            if case .replay(let id) = known { job = try await snapshot(id) }
        } catch {
            throw .store(error)
        }
        if known == .mismatch { throw .idempotencyMismatch }
        return job.map { Submission(job: $0, isReplay: true) }
    }

    private func resolve(_ request: JobRequest) throws(SubmissionError) -> [String]? {
        do throws(RevisionError) {
            return try migrations.loaded.set.graph.resolvedTarget(
                request.operation.revisionOperation, request.target)
        } catch {
            throw .target(error)
        }
    }

    private func requireKnown(_ ids: [String]?) async throws(SubmissionError) {
        guard let ids, !ids.isEmpty else { return }
        let found: [Tenant]
        do throws(RegistryError) {
            found = try await registry.find(ids)
        } catch {
            throw .registry(error)
        }
        let known = Set(found.map(\.id) + found.map(\.identifier))
        let unknown = ids.filter { !known.contains($0) }
        if !unknown.isEmpty { throw .unknownTenants(unknown) }
    }

    /// Refuses a selection that matches nobody: mostly a pattern or a status that is misspelled.
    /// `behind_only` is not looked at, since nobody behind is what a deploy hopes for.
    private func requireSomebody(_ selection: TenantSelection) async throws(SubmissionError) {
        let anybody: [Tenant]
        do throws(RegistryError) {
            let fitting = try await registry.page(
                after: nil, limit: 1, filter: selection.registryFilter)
            if !fitting.isEmpty { return }
            anybody = try await registry.page(after: nil, limit: 1, filter: RegistryFilter())
        } catch {
            throw .registry(error)
        }
        throw .emptySelection(registryIsEmpty: anybody.isEmpty)
    }

    private func accept(
        _ request: JobRequest, resolved: [String]?, retryOf: JobID?, caller: Caller,
        key: IdempotencyKey?
    ) async throws(SubmissionError) -> Submission {
        if isDraining { throw .draining }
        guard waiting.count + arriving < settings.maxQueuedJobs else {
            throw .queueFull(limit: settings.maxQueuedJobs)
        }
        arriving += 1
        defer { arriving -= 1 }
        var random = SystemRandomNumberGenerator()
        let now = clock.now
        let job = JobSnapshot(
            id: .make(now: now, random: &random), request: request, resolvedTarget: resolved,
            state: .queued, createdBy: caller.name, createdAt: now, retryOf: retryOf)
        let lease = JobLease(replica: replica, epoch: 1)
        let insertion: JobTable.Insertion
        do throws(StatusError) {
            insertion = try await store.jobs.insert(
                job, key: key, caller: caller, lease: lease,
                leaseDuration: settings.leaseDuration,
                migrations: migrations.loaded.digest)
            if case .replay(let id) = insertion, let earlier = try await snapshot(id) {
                return Submission(job: earlier, isReplay: true)
            }
        } catch {
            throw .store(error)
        }
        switch insertion {
        case .mismatch: throw .idempotencyMismatch
        case .replay(let id): throw .jobNotFound(id)
        case .inserted:
            enqueue(ActiveJob(job, lease: lease, clock: clock), retryOf: retryOf)
            return Submission(job: live[job.id]?.job.snapshot ?? job, isReplay: false)
        }
    }

    // MARK: - Running jobs

    func enqueue(_ active: ActiveJob, retryOf: JobID?) {
        live[active.id] = Live(job: active, retryOf: retryOf, execution: nil)
        waiting.append(active.id)
        startWaiting()
    }

    private func startWaiting() {
        var running = live.values.count { $0.execution != nil }
        while !isDraining, running < settings.maxRunningJobs, !waiting.isEmpty {
            let id = waiting.removeFirst()
            guard let entry = live[id] else { continue }
            live[id]?.execution = Task { await self.execute(entry) }
            running += 1
        }
    }

    private func execute(_ entry: Live) async {
        let active = entry.job
        _ = active.handle(.started)
        logger.info(
            "Job started",
            metadata: [
                "job": "\(active.id)", "operation": "\(active.request.operation)",
                "target": "\(active.request.target)",
            ])
        let recorder = Task { [executor] in await executor.recorder(of: active)() }
        _ = await persist(active.snapshot, active)
        await executor.leader(of: active, retryOf: entry.retryOf)()
        await active.waitUntilRecorded()
        if active.isDraining {
            await active.waitUntilRecorded(until: .after(.seconds(5)), endsWithDrain: false)
        } else {
            await conclude(active)
        }
        recorder.cancel()
        forget(active)
        startWaiting()
    }

    /// From here on the job is what the tables say, also to those who wait for a change of it.
    func forget(_ active: ActiveJob) {
        live[active.id] = nil
        if !isDraining, let rest = LeftJob(active) {
            left[active.id] = rest
            signals.leases.notify()
        }
        active.changes.notify()
    }

    /// Ends a job none of whose tenants is left: first in the table, then for those who look. One that
    /// the table has lost does not end here: it is left, and then restored.
    func conclude(_ active: ActiveJob) async {
        while true {
            let end = active.previewOfEnd()
            guard await persist(end, active) else { return }
            if active.finish(as: end) { break }
        }
        await notifyReplicas(.job(active.id))
        let job = active.snapshot
        endings.notify()
        metrics.add(.jobsEnded, job.state.rawValue)
        logger.info(
            "Job ended",
            metadata: [
                "job": "\(job.id)", "state": "\(job.state)", "total": "\(job.counts.total)",
                "succeeded": "\(job.counts.succeeded)", "skipped": "\(job.counts.skipped)",
                "failed": "\(job.counts.failed)", "cancelled": "\(job.counts.cancelled)",
            ])
    }

    /// Writes a job's state down, for as long as it takes while the daemon lives.
    ///
    /// - Returns: false when the job is being left instead, or the table has lost it.
    private func persist(_ job: JobSnapshot, _ active: ActiveJob) async -> Bool {
        var backoff = Backoff(from: .milliseconds(200), upTo: .seconds(5))
        while true {
            do throws(StatusError) {
                return try await store.jobs.update(job, lease: active.lease)
            } catch {
                if active.isDraining { return false }
                logger.warning(
                    "A job's state cannot be recorded, retrying",
                    metadata: ["job": "\(job.id)", "reason": "\(error)"])
                try? await Task.sleep(for: backoff.next())
            }
        }
    }
}
