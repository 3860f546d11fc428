internal import ControlStore
internal import DaemonConfiguration
internal import Engine
internal import Fleet
internal import Logging
internal import PostgresClient
internal import Revisions
internal import Scheduler
internal import Support
internal import Tenants

/// What the parts of a daemon share, each of which is given what it uses of that.
struct DaemonCore {
    let store: ControlDatabase
    let registry: any TenantRegistry
    let migrations: MigrationLibrary
    let metrics = Metrics()
    let clock = WallClock.system
    private let control: ConnectionParameters
    private let resolver: PlacementResolver
    private let external: (any ExternalStepRunner)?
    private let connections: WorkerConnections
    private let logger: Logger

    /// Reads the migrations; no database is asked yet.
    init(_ config: DaemonConfig, logger: Logger) async throws(CommandFailure) {
        self.logger = logger
        let connectTimeout = config.scheduler.connectTimeout
        control = try Daemon.parameters(config.control.databaseURL, "control.database_url")
        let pool = ConnectionPool(
            control, limit: Daemon.controlConnections, connectTimeout: connectTimeout)
        let source = try await MigrationSource(config)
        migrations = source.library
        external = source.python
        registry = try Daemon.registry(config)
        resolver = try Daemon.resolver(config.tenancy)
        store = ControlDatabase(pool: pool, schema: config.control.schema, metrics: metrics)
        connections = WorkerConnections(
            slots: ServerSlots(limit: config.scheduler.perServerConnections),
            connectTimeout: connectTimeout, onNotice: NoticeLog.writer(to: logger))
    }

    func makeScheduler(_ config: DaemonConfig, replica: String) -> JobScheduler {
        let replicas = Replicas()
        let executor = JobExecutor(
            registry: registry, resolver: resolver, store: store, migrations: migrations,
            external: external, connections: connections, settings: MigrationSettings(config),
            replicas: replicas, metrics: metrics, clock: clock, logger: logger)
        return JobScheduler(
            settings: SchedulerSettings(
                maxRunningJobs: config.scheduler.maxRunningJobs,
                leaseDuration: config.scheduler.leaseTerm),
            replica: replica, executor: executor, store: store, registry: registry,
            migrations: migrations, replicas: replicas,
            channel: Notifier(
                control, connectTimeout: config.scheduler.connectTimeout, logger: logger),
            slots: connections.slots, metrics: metrics, clock: clock, logger: logger)
    }

    func makeDirectory() -> TenantDirectory {
        TenantDirectory(
            registry: registry, resolver: resolver, store: store, migrations: migrations,
            connections: TenantConnections(connections), external: external, clock: clock,
            logger: logger)
    }

    func makeStepResolver(_ config: DaemonConfig) -> StepResolver {
        StepResolver(
            store: store, migrations: migrations, connections: TenantConnections(connections),
            overridesReadOnly: config.tenancy.overridesReadOnly)
    }
}

extension MigrationSettings {
    init(_ config: DaemonConfig) {
        self.init(
            scope: config.scheduler.transactionPer,
            targetLockTimeout: config.scheduler.targetLockTimeout,
            serverRecoveryTimeout: config.scheduler.serverRecoveryTimeout,
            createMissingSchemas: config.tenancy.createMissingSchemas,
            extraSearchPath: config.tenancy.extraSearchPath,
            overridesReadOnly: config.tenancy.overridesReadOnly,
            concurrentLockTimeout: config.scheduler.concurrentLockTimeout)
    }
}
