internal import Logging

/// Takes jobs, runs as many of them at once as allowed, steers them, and goes on with jobs that a
/// daemon left behind.
public actor JobScheduler {
    private struct Live {
        let run: JobRun
        let retryOf: JobID?
        var execution: Task<Void, Never>?
    }

    private let environment: JobEnvironment
    private let replica: String
    private var live: [JobID: Live] = [:]
    /// Jobs that wait for a place, oldest first.
    private var waiting: [JobID] = []
    private var isDraining = false
    private var keeper: Task<Void, Never>?

    /// A scheduler for the daemon with the UUID `replica`, which is new with each start.
    public init(_ environment: JobEnvironment, replica: String) {
        self.environment = environment
        self.replica = replica
    }

    /// Starts to look for abandoned jobs and to renew the leases of our own.
    public func start() {
        guard keeper == nil else { return }
        keeper = Task { [weak self] in
            while !Task.isCancelled {
                await self?.keepLeases()
                try? await Task.sleep(for: JobLease.renewal)
            }
        }
    }

    // MARK: - Taking jobs

    /// Takes a job: it is recorded before this returns.
    public func submit(
        _ request: JobRequest, caller: Caller, idempotency key: IdempotencyKey? = nil
    ) async throws(SubmissionError) -> Submission {
        let resolved = try resolve(request)
        try await requireKnown(request.tenants.ids)
        return try await take(
            request, resolved: resolved, retryOf: nil, caller: caller, key: key)
    }

    /// A new job over the failed and cancelled tenants of `id`, with the same options.
    public func retry(
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
        return try await take(
            job.request, resolved: resolved, retryOf: id, caller: caller, key: key)
    }

    private func resolve(_ request: JobRequest) throws(SubmissionError) -> [String]? {
        do throws(RevisionError) {
            return try environment.migrations.loaded.set.graph.resolvedTarget(
                request.operation.revisionOperation, request.target)
        } catch {
            throw .target(error)
        }
    }

    private func requireKnown(_ ids: [String]?) async throws(SubmissionError) {
        guard let ids, !ids.isEmpty else { return }
        let found: [Tenant]
        do throws(RegistryError) {
            found = try await environment.registry.find(ids)
        } catch {
            throw .registry(error)
        }
        let known = Set(found.map(\.id) + found.map(\.identifier))
        let unknown = ids.filter { !known.contains($0) }
        if !unknown.isEmpty { throw .unknownTenants(unknown) }
    }

    private func take(
        _ request: JobRequest, resolved: [String]?, retryOf: JobID?, caller: Caller,
        key: IdempotencyKey?
    ) async throws(SubmissionError) -> Submission {
        if isDraining { throw .draining }
        guard waiting.count < environment.settings.maxQueuedJobs else {
            throw .queueFull(limit: environment.settings.maxQueuedJobs)
        }
        var random = SystemRandomNumberGenerator()
        let now = environment.clock.now
        let job = JobSnapshot(
            id: .make(now: now, random: &random), request: request, resolvedTarget: resolved,
            state: .queued, createdBy: caller.name, createdAt: now, retryOf: retryOf)
        let lease = JobLease(replica: replica, epoch: 1)
        let insertion: StatusStore.Insertion
        let earlier: JobSnapshot?
        do throws(StatusError) {
            insertion = try await environment.store.insert(
                job, key: key, caller: caller, lease: lease)
            if case .replay(let id) = insertion {
                earlier = try await snapshot(id)
            } else {
                earlier = nil
            }
        } catch {
            throw .store(error)
        }
        switch insertion {
        case .mismatch: throw .idempotencyMismatch
        case .replay(let id):
            guard let earlier else { throw .jobNotFound(id) }
            return Submission(job: earlier, isReplay: true)
        case .inserted:
            enqueue(JobRun(job, lease: lease, clock: environment.clock), retryOf: retryOf)
            return Submission(job: live[job.id]?.run.snapshot ?? job, isReplay: false)
        }
    }

    // MARK: - Running jobs

    private func enqueue(_ run: JobRun, retryOf: JobID?) {
        live[run.id] = Live(run: run, retryOf: retryOf, execution: nil)
        waiting.append(run.id)
        startWaiting()
    }

    private func startWaiting() {
        var running = live.values.count { $0.execution != nil }
        while !isDraining, running < environment.settings.maxRunningJobs, !waiting.isEmpty {
            let id = waiting.removeFirst()
            guard let entry = live[id] else { continue }
            live[id]?.execution = Task { await self.execute(entry.run, retryOf: entry.retryOf) }
            running += 1
        }
    }

    private func execute(_ run: JobRun, retryOf: JobID?) async {
        _ = run.handle(.started)
        environment.logger.info(
            "Job started",
            metadata: [
                "job": "\(run.id)", "operation": "\(run.request.operation)",
                "target": "\(run.request.target)",
            ])
        let recorder = Task { [environment] in
            await ResultRecorder(run: run, environment: environment)()
        }
        await persist(run.snapshot, run)
        await JobRunner(run: run, environment: environment, retryOf: retryOf)()
        if run.isDraining {
            await run.waitUntilRecorded(until: .after(.seconds(5)))
        } else {
            await run.waitUntilRecorded()
            let event = run.endOfTenants()
            await persist(run.preview(event), run)
            _ = run.handle(event)
            logEnd(run.snapshot)
        }
        recorder.cancel()
        live[run.id] = nil
        startWaiting()
    }

    /// Writes a job's state down, for as long as it takes while the daemon lives.
    private func persist(_ job: JobSnapshot, _ run: JobRun) async {
        var pause = Duration.milliseconds(200)
        while true {
            do throws(StatusError) {
                return try await environment.store.update(job, lease: run.lease)
            } catch {
                if run.isDraining || !error.isTemporary { return }
                try? await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(5))
            }
        }
    }

    private func logEnd(_ job: JobSnapshot) {
        environment.logger.info(
            "Job ended",
            metadata: [
                "job": "\(job.id)", "state": "\(job.state)", "total": "\(job.counts.total)",
                "succeeded": "\(job.counts.succeeded)", "skipped": "\(job.counts.skipped)",
                "failed": "\(job.counts.failed)", "cancelled": "\(job.counts.cancelled)",
            ])
    }

    // MARK: - Looking at jobs

    /// A job as it stands now; `nil` when there is none of that id.
    public func snapshot(_ id: JobID) async throws(StatusError) -> JobSnapshot? {
        if let run = live[id]?.run { return run.snapshot }
        return try await environment.store.job(id)
    }

    /// Waits until the job's version is another than `version`, or, without one, until it has ended;
    /// at most for `timeout`.
    public func wait(
        _ id: JobID, version: Int?, timeout: Duration
    ) async throws(StatusError) -> JobSnapshot? {
        let deadline = Deadline.after(timeout)
        while let run = live[id]?.run {
            let generation = run.changes.generation
            let job = run.snapshot
            let isOver = version.map { job.version != $0 } ?? false
            if isOver || job.state.isFinal || deadline.hasPassed || Task.isCancelled { return job }
            await run.changes.wait(after: generation, until: deadline)
        }
        return try await environment.store.job(id)
    }

    /// Newest first, before `id` where it is given.
    public func jobs(
        _ filter: JobFilter, limit: Int, before id: JobID? = nil
    ) async throws(StatusError) -> [JobSnapshot] {
        // The table's states of live jobs may be older than those in memory.
        let recorded = try await environment.store.jobs(
            JobFilter(operations: filter.operations), limit: limit, before: id)
        var jobs: [JobSnapshot] = []
        var page = recorded
        while true {
            for job in page {
                let current = live[job.id]?.run.snapshot ?? job
                if filter.states.isEmpty || filter.states.contains(current.state) {
                    jobs.append(current)
                }
            }
            guard page.count == limit, jobs.count < limit, let last = page.last else { break }
            page = try await environment.store.jobs(
                JobFilter(operations: filter.operations), limit: limit, before: last.id)
        }
        return Array(jobs.prefix(limit))
    }

    /// A job's results in the order of tenant ids, after `tenantID` where it is given.
    public func results(
        _ id: JobID, states: [TenantState], limit: Int, after tenantID: String? = nil
    ) async throws(StatusError) -> [TenantResult] {
        guard let run = live[id]?.run else {
            return try await environment.store.results(
                of: id, states: states, limit: limit, after: tenantID)
        }
        await run.waitUntilRecorded(until: .after(.seconds(2)))
        return try await LiveResults(run: run, store: environment.store).page(
            states: states, limit: limit, after: tenantID)
    }

    // MARK: - Steering jobs

    public func pause(_ id: JobID, caller: Caller) async throws(SteeringError) -> JobSnapshot {
        try await steer(id, .pauseAsked, action: "pause", caller: caller)
    }

    public func resume(_ id: JobID, caller: Caller) async throws(SteeringError) -> JobSnapshot {
        try await steer(id, .resumeAsked, action: "resume", caller: caller)
    }

    public func cancel(
        _ id: JobID, mode: CancelMode, caller: Caller
    ) async throws(SteeringError) -> JobSnapshot {
        let job = try await steer(id, .cancelAsked, action: "cancel", caller: caller)
        if mode == .immediate { live[id]?.run.interrupt() }
        // A job that waits for a place has no tenant to wait for.
        if let index = waiting.firstIndex(of: id), let run = live[id]?.run {
            waiting.remove(at: index)
            let event = run.endOfTenants()
            await persist(run.preview(event), run)
            _ = run.handle(event)
            live[id] = nil
            return run.snapshot
        }
        return live[id]?.run.snapshot ?? job
    }

    private func steer(
        _ id: JobID, _ event: JobMachine.Event, action: String, caller: Caller
    ) async throws(SteeringError) -> JobSnapshot {
        guard let run = live[id]?.run else { throw await whyNotHere(id, action: action) }
        do throws(StatusError) {
            // Noted before it is done: nothing is steered that the audit does not know of.
            try await environment.store.audit("job.\(action)", job: id, caller: caller)
        } catch {
            throw .store(error)
        }
        if run.snapshot.state.isFinal || run.handle(event) == .refuse {
            throw .conflict(action: action, state: run.snapshot.state)
        }
        do throws(StatusError) {
            try await environment.store.update(run.snapshot, lease: run.lease)
        } catch {
            throw .store(error)
        }
        return run.snapshot
    }

    private func whyNotHere(_ id: JobID, action: String) async -> SteeringError {
        do throws(StatusError) {
            guard let job = try await environment.store.job(id) else { return .jobNotFound(id) }
            return job.state.isFinal ? .conflict(action: action, state: job.state) : .elsewhere
        } catch {
            return .store(error)
        }
    }

    // MARK: - Leases

    private func keepLeases() async {
        do throws(StatusError) {
            let store = environment.store
            if !live.isEmpty {
                let kept = try await store.renewLeases(
                    Array(live.keys), replica: replica, term: JobLease.term)
                for (id, entry) in live where !kept.contains(id) { abandon(entry.run) }
            }
            if isDraining { return }
            for (job, lease) in try await store.leaseAbandonedJobs(
                replica: replica, term: JobLease.term)
            {
                try await adopt(job, lease)
            }
        } catch {
            environment.logger.warning(
                "Leases wait for the control database", metadata: ["reason": "\(error)"])
        }
    }

    /// Another daemon has the job now: nothing more of it is started here.
    private func abandon(_ run: JobRun) {
        environment.logger.warning("A job's lease was lost", metadata: ["job": "\(run.id)"])
        run.drain()
        run.interrupt()
    }

    private func adopt(_ job: JobSnapshot, _ lease: JobLease) async throws(StatusError) {
        guard live[job.id] == nil else { return }
        environment.logger.notice("Going on with a job", metadata: ["job": "\(job.id)"])
        let run = JobRun(job, lease: lease, clock: environment.clock)
        let (keys, counts) = try await environment.store.endedTargets(of: job.id)
        run.resume(ended: keys, counts: counts)
        enqueue(run, retryOf: job.retryOf)
    }

    // MARK: - Draining

    /// Starts nothing more, lets running tenants end for at most `timeout`, then rolls them back.
    /// Jobs that are not finished are left to the next daemon.
    public func drain(timeout: Duration) async {
        isDraining = true
        keeper?.cancel()
        for entry in live.values { entry.run.drain() }
        let executions = live.values.compactMap(\.execution)
        let runs = live.values.map(\.run)
        await withTaskGroup { group in
            group.addTask {
                for execution in executions { await execution.value }
            }
            group.addTask {
                try? await Task.sleep(for: timeout)
                if !Task.isCancelled { for run in runs { run.interrupt() } }
            }
            await group.next()
            // Either all have ended, or they were just told to.
            for execution in executions { await execution.value }
            group.cancelAll()
        }
        await releaseLeases(runs.map(\.id))
    }

    /// Rolls back what still runs while draining.
    public func interrupt() {
        for entry in live.values { entry.run.interrupt() }
    }

    private func releaseLeases(_ jobs: [JobID]) async {
        if jobs.isEmpty { return }
        do throws(StatusError) {
            _ = try await environment.store.renewLeases(jobs, replica: replica, term: .zero)
        } catch {
            environment.logger.warning(
                "Leases could not be given back; they run out by themselves",
                metadata: ["reason": "\(error)"])
        }
    }
}
