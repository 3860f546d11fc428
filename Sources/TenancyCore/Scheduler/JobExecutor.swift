package import ControlStore
package import Engine
internal import JobModel
package import Logging
package import PostgresClient
package import Revisions
package import Support
package import Tenants

/// Builds what works on a job: the one place that knows what each part of that needs.
package struct JobExecutor: Sendable {
    private let registry: any TenantRegistry
    private let resolver: PlacementResolver
    private let store: ControlDatabase
    private let migrations: MigrationLibrary
    private let external: (any ExternalStepRunner)?
    private let connections: WorkerConnections
    private let settings: MigrationSettings
    private let replicas: Replicas
    private let metrics: Metrics
    private let clock: WallClock
    private let logger: Logger

    /// Steps that the engine cannot run are run by `external`.
    package init(
        registry: any TenantRegistry, resolver: PlacementResolver, store: ControlDatabase,
        migrations: MigrationLibrary, external: (any ExternalStepRunner)? = nil,
        connections: WorkerConnections, settings: MigrationSettings, replicas: Replicas,
        metrics: Metrics, clock: WallClock = .system, logger: Logger
    ) {
        self.registry = registry
        self.resolver = resolver
        self.store = store
        self.migrations = migrations
        self.external = external
        self.connections = connections
        self.settings = settings
        self.replicas = replicas
        self.metrics = metrics
        self.clock = clock
        self.logger = logger
    }

    /// What carries the results of a job to the tables.
    func recorder(of job: ActiveJob) -> ResultRecorder {
        ResultRecorder(job: job, store: store, replicas: replicas, logger: logger)
    }

    /// What leads a job; `retryOf` is the one whose tenants it tries again.
    func leader(of job: ActiveJob, retryOf: JobID?) -> JobLeader {
        let task = settings.task(for: job.request, migrations.loaded.set)
        return JobLeader(
            job: job, runner: runner(of: job, task),
            makePager: { pager(of: job, task, retryOf: retryOf) }, store: store,
            replicas: replicas, migrations: migrations, logger: logger)
    }

    /// What works on tenants of a job that another replica leads.
    func assistant(of job: ActiveJob) -> JobAssistant {
        let task = settings.task(for: job.request, migrations.loaded.set)
        return JobAssistant(
            job: job, task: task, runner: runner(of: job, task), recorder: recorder(of: job),
            makeReader: { reader(of: job, task) }, registry: registry, resolver: resolver,
            store: store, logger: logger)
    }

    private func runner(of job: ActiveJob, _ task: TargetTask) -> JobRunner {
        JobRunner(
            job: job, task: task, options: settings.engineOptions(for: job.request),
            serverRecoveryTimeout: settings.serverRecoveryTimeout, store: store,
            external: external, connections: connections, metrics: metrics, clock: clock,
            logger: logger)
    }

    private func pager(of job: ActiveJob, _ task: TargetTask, retryOf: JobID?) -> TenantPager {
        let retry = PagingRetry(job: job, logger: logger)
        let source = TenantSource(
            registry: registry, store: store, selection: job.request.tenants, retryOf: retryOf)
        return TenantPager(
            job: job, task: task, pages: RetryingPages(source: source, retry: retry),
            recorder: PageRecorder(
                job: job, store: store, replicas: replicas, migrations: migrations,
                metrics: metrics, retry: retry),
            reader: reader(of: job, task), resolver: resolver, clock: clock)
    }

    private func reader(of job: ActiveJob, _ task: TargetTask) -> BatchReader {
        BatchReader(
            VersionReader(settings: settings.session(for: job.request), table: task.versionTable),
            connections: connections, logger: logger)
    }
}
