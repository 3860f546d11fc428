internal import ControlStore
internal import Engine
internal import JobModel
internal import Logging
internal import PostgresClient
internal import Support
internal import Tenants

/// Runs one job, or a daemon's part in it: a feeder that brings targets, and as many workers as are
/// allowed.
struct JobRunner: Sendable {
    /// A worker without work keeps its connection this long.
    private static let connectionPatience = Duration.seconds(2)

    let run: JobRun
    let environment: JobEnvironment

    /// Works until every tenant that `feed` brings has ended, or none may be started any more.
    func callAsFunction(feed: (TargetTask) async -> Void) async {
        let task = environment.task(for: run.request)
        let watch = LockWatch(lockTimeout: run.request.lockTimeoutMilliseconds) { [run] in
            run.note($1, of: $0)
        }
        let engine = SQLEngine(
            task: task,
            options: SQLEngine.Options(
                session: environment.session(for: run.request), scope: environment.settings.scope,
                targetLockTimeout: environment.settings.targetLockTimeout),
            journal: JobJournal(store: environment.store, job: run.id, lease: run.lease),
            watch: watch, external: environment.external, noteStart: noteStart)
        // Not a child: an immediate cancel stops the workers and not the pager, which still has to
        // record the tenants that were never reached.
        let workers = Task { await employ(engine) }
        let watching = Task { await watch.watch { environment.makeConnection() } }
        run.onInterrupt { workers.cancel() }
        await feed(task)
        run.pagingIsDone()
        await workers.value
        await run.waitUntilUnshared()
        watching.cancel()
        await watching.value
    }

    /// A tenant whose start cannot be noted is tried again later, like one that cannot be reached.
    private var noteStart: SQLEngine.StartNote {
        { [run, store = environment.store] (tenants, rows) async throws(TenantFailure) in
            do throws(StatusError) {
                try await store.noteStart(
                    of: tenants.map(\.id), from: rows, job: run.id, lease: run.lease)
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
                let generation = run.work.generation
                while run.wantsWorker() {
                    let thread = ConnectionThread()
                    group.addTask(executorPreference: thread) { await work(engine, on: thread) }
                }
                if run.isWorkDone || Task.isCancelled { return }
                await run.work.wait(after: generation)
            }
        }
    }

    /// One worker: takes targets until there are none left.
    private func work(_ engine: SQLEngine, on thread: ConnectionThread) async {
        let connection = environment.makeConnection(on: thread)
        let retries = RetryPolicy(maxAttempts: run.request.maxAttempts)
        loop: while true {
            switch run.next(preferring: connection.databaseKey) {
            case .end: break loop
            case .wait(let generation, let until):
                await wait(after: generation, until: until, holding: connection)
            case .work(var work):
                let outcome = await engine.migrate(&work, by: connection)
                settle(work, outcome, retries)
                await connection.yieldIfContended()
            }
        }
        await connection.close()
    }

    private func settle(_ work: TargetWork, _ outcome: TargetOutcome, _ retries: RetryPolicy) {
        let failure = outcome.state == .failed ? outcome.failure : nil
        var outcome = outcome
        if !work.target.connection.isPostgres {
            noteHealth(of: work.target.connection.serverKey, failure)
        }
        if let failure, !outcome.isPostponed {
            outcome.isPostponed = RetryPolicy.isWaiting(
                failure,
                timeAway: environment.slots.health.timeAway(work.target.connection.serverKey),
                limit: environment.settings.serverRecoveryTimeout)
        }
        let jitter = Double.random(in: 0...1)
        let pause = failure.flatMap {
            outcome.isPostponed
                ? RetryPolicy.turn * (0.5 + jitter)
                : retries.pause(after: work.attempts, failure: $0, jitter: jitter)
        }
        let settlement = run.settle(work, outcome, retryAfter: pause)
        count(work, outcome, settlement)
        if settlement == .ended, let failure { log(failure, of: work) }
        for warning in outcome.warnings {
            environment.logger.warning(
                "A tenant needs attention",
                metadata: [
                    "job": "\(run.id)", "tenant": "\(work.tenants.first?.id ?? "")",
                    "reason": "\(warning)",
                ])
        }
    }

    /// Libpq tells how PostgreSQL's servers are; of others that shows only in what comes of their
    /// tenants.
    private func noteHealth(of server: String, _ failure: TenantFailure?) {
        let health = environment.slots.health
        guard let failure else { return health.reached(server) }
        switch failure.code {
        case .server(.unreachable):
            if failure.isRetryable { health.refused(server, isAway: false) }
        case .server(.unavailable): health.refused(server, isAway: true)
        case .server(.tooManyConnections), .server(.readOnly), .server(.databaseReadOnly),
            .server(.clientRefused), .server(.connectionLost), .server(.timeout), .statement,
            .target, .job, .step, .alembic, .placement, .plan, .unrecognized:
            break
        }
    }

    private func count(
        _ work: TargetWork, _ outcome: TargetOutcome, _ settlement: JobRun.Settlement
    ) {
        let metrics = environment.metrics
        let code = outcome.failure?.code.description ?? ""
        if settlement == .setAside && outcome.isPostponed {
            return metrics.add(.tenantWaits, code)
        }
        metrics.add(.tenantAttempts)
        switch settlement {
        case .left: break
        case .setAside: metrics.add(.tenantRetries, code)
        case .ended:
            metrics.add(
                .ended(run.request), outcome.state.rawValue, by: work.tenants.count)
            metrics.add(.stepsApplied, by: outcome.steps)
            if let start = work.startedAt {
                metrics.observe(
                    .tenantDuration, milliseconds: environment.clock.now.milliseconds(since: start))
            }
        }
    }

    private func log(_ failure: TenantFailure, of work: TargetWork) {
        environment.logger.warning(
            run.request.changesTenants ? "Tenant migration failed" : "Tenant reading failed",
            metadata: [
                "job": "\(run.id)", "tenant": "\(work.tenants.first?.id ?? "")",
                "code": "\(failure.code)", "sqlstate": "\(failure.sqlState ?? "")",
                "revision": "\(failure.revision ?? "")", "attempts": "\(work.attempts)",
            ])
    }

    private func wait(
        after generation: Int, until deadline: Deadline, holding connection: WorkerConnection
    ) async {
        if connection.databaseKey == nil {
            return await run.waitForWork(after: generation, until: deadline)
        }
        let patience = Deadline.after(JobRunner.connectionPatience)
        await run.waitForWork(after: generation, until: patience.earlier(of: deadline))
        if run.work.generation == generation && !deadline.hasPassed { await connection.close() }
    }
}
