internal import ControlStore
internal import Engine
internal import JobModel
internal import Logging
internal import PostgresClient
internal import Support
internal import Tenants

/// Runs one job, or a replica's part in it: a feeder that brings targets, and as many workers as are
/// allowed.
struct JobRunner: Sendable {
    /// A worker without work keeps its connection this long.
    private static let idleConnectionTimeout = Duration.seconds(2)

    let job: ActiveJob
    let task: TargetTask
    let options: SQLEngine.Options
    /// How long a server that starts or recovers is waited for.
    let serverRecoveryTimeout: Duration
    let store: ControlDatabase
    let external: (any ExternalStepRunner)?
    let connections: WorkerConnections
    let metrics: Metrics
    let clock: WallClock
    let logger: Logger

    /// Works until every tenant that `feed` brings has ended, or none may be started any more.
    func callAsFunction(feed: () async -> Void) async {
        let watch = LockWatch(lockTimeout: job.request.lockTimeoutMilliseconds) { [job] in
            job.updateProgress($1, of: $0)
        }
        let engine = SQLEngine(
            task: task,
            options: options,
            journal: JobJournal(table: store.stepJournal, job: job.id, lease: job.lease),
            watch: watch, external: external, noteStart: noteStart)
        // Not a child: an immediate cancel stops the workers and not the pager, which still has to
        // record the tenants that were never reached.
        let workers = Task { await employ(engine) }
        let watching = Task { await watch.watch { connections.make() } }
        job.onInterrupt { workers.cancel() }
        await feed()
        job.finishPaging()
        await workers.value
        await job.waitUntilUnshared()
        watching.cancel()
        await watching.value
    }

    /// A tenant whose start cannot be noted is tried again later, like one that cannot be reached.
    private var noteStart: SQLEngine.StartNote {
        { [job, store] (tenants, rows) async throws(TenantFailure) in
            do throws(StatusError) {
                try await store.jobTenants.recordStart(
                    of: tenants.map(\.id), from: rows, job: job.id, lease: job.lease)
            } catch {
                throw TenantFailure(
                    code: .job(.controlDatabaseUnavailable), message: "\(error)", isRetryable: true,
                    hint: "check the control database; nothing was done to the tenant")
            }
        }
    }

    /// Starts workers as targets come, each on a thread of its own.
    private func employ(_ engine: SQLEngine) async {
        await withDiscardingTaskGroup { group in
            while true {
                let generation = job.work.generation
                while job.addWorker() {
                    let thread = ConnectionThread()
                    group.addTask(executorPreference: thread) { await work(engine, on: thread) }
                }
                if job.isWorkDone || Task.isCancelled { return }
                await job.work.wait(after: generation)
            }
        }
    }

    /// One worker: takes targets until there are none left.
    private func work(_ engine: SQLEngine, on thread: ConnectionThread) async {
        let connection = connections.make(on: thread)
        let retries = RetryPolicy(maxAttempts: job.request.maxAttempts)
        loop: while true {
            switch job.next(preferring: connection.databaseKey) {
            case .end: break loop
            case .wait(let generation, let until):
                await wait(after: generation, until: until, holding: connection)
            case .work(var work):
                let outcome = await engine.migrate(&work, by: connection)
                complete(work, outcome, retries)
                await connection.yieldIfContended()
            }
        }
        await connection.close()
    }

    private func complete(_ work: TargetWork, _ outcome: TargetOutcome, _ retries: RetryPolicy) {
        let failure = outcome.state == .failed ? outcome.failure : nil
        var outcome = outcome
        if !work.target.connection.isPostgres {
            updateHealth(of: work.target.connection.serverKey, failure)
        }
        if let failure, !outcome.isPostponed {
            outcome.isPostponed = RetryPolicy.isWaiting(
                failure,
                timeUnavailable: connections.slots.breakers.timeUnavailable(
                    work.target.connection.serverKey),
                limit: serverRecoveryTimeout)
        }
        let jitter = Double.random(in: 0...1)
        let pause = failure.flatMap {
            outcome.isPostponed
                ? RetryPolicy.postponement * (0.5 + jitter)
                : retries.pause(after: work.attempts, failure: $0, jitter: jitter)
        }
        let disposition = job.finishAttempt(on: work, outcome, retryAfter: pause)
        count(work, outcome, disposition)
        if disposition == .ended, let failure { log(failure, of: work) }
        for warning in outcome.warnings {
            logger.warning(
                "A tenant needs attention",
                metadata: [
                    "job": "\(job.id)", "tenant": "\(work.tenants.first?.id ?? "")",
                    "reason": "\(warning)",
                ])
        }
    }

    /// Libpq says how PostgreSQL's servers are; how others are shows only in the outcomes of their
    /// tenants.
    private func updateHealth(of server: String, _ failure: TenantFailure?) {
        let breakers = connections.slots.breakers
        guard let failure else { return breakers.recordSuccess(of: server) }
        switch failure.code {
        case .server(.unreachable):
            if failure.isRetryable { breakers.recordFailure(of: server, isUnavailable: false) }
        case .server(.unavailable): breakers.recordFailure(of: server, isUnavailable: true)
        case .server(.tooManyConnections), .server(.readOnly), .server(.databaseReadOnly),
            .server(.clientRefused), .server(.connectionLost), .server(.timeout), .statement,
            .target, .job, .step, .alembic, .placement, .plan, .unrecognized:
            break
        }
    }

    private func count(
        _ work: TargetWork, _ outcome: TargetOutcome, _ disposition: ActiveJob.Disposition
    ) {
        let code = outcome.failure?.code.description ?? ""
        if disposition == .deferred && outcome.isPostponed {
            return metrics.add(.tenantWaits, code)
        }
        metrics.add(.tenantAttempts)
        switch disposition {
        case .left: break
        case .deferred: metrics.add(.tenantRetries, code)
        case .ended:
            metrics.add(
                .ended(job.request), outcome.state.rawValue, by: work.tenants.count)
            metrics.add(.stepsApplied, by: outcome.steps)
            if let start = work.startedAt {
                metrics.observe(
                    .tenantDuration, milliseconds: clock.now.milliseconds(since: start))
            }
        }
    }

    private func log(_ failure: TenantFailure, of work: TargetWork) {
        logger.warning(
            job.request.changesTenants ? "Tenant migration failed" : "Tenant reading failed",
            metadata: [
                "job": "\(job.id)", "tenant": "\(work.tenants.first?.id ?? "")",
                "code": "\(failure.code)", "sqlstate": "\(failure.sqlState ?? "")",
                "revision": "\(failure.revision ?? "")", "attempts": "\(work.attempts)",
            ])
    }

    private func wait(
        after generation: Int, until deadline: Deadline, holding connection: WorkerConnection
    ) async {
        if connection.databaseKey == nil {
            return await job.waitForWork(after: generation, until: deadline)
        }
        let timeout = Deadline.after(JobRunner.idleConnectionTimeout)
        await job.waitForWork(after: generation, until: timeout.earlier(of: deadline))
        if job.work.generation == generation && !deadline.hasPassed { await connection.close() }
    }
}
