package import ControlStore
package import Engine
package import JobModel
package import Logging
package import PostgresClient
package import Revisions
package import Support
package import Tenants

/// What every job of a daemon works with.
package struct JobEnvironment: Sendable {
    /// Settings of `scheduler` that are not part of a request.
    package struct Settings: Sendable {
        package var maxRunningJobs: Int
        /// Jobs that may wait for a place.
        package var maxQueuedJobs: Int
        package var scope: TransactionScope
        package var targetLockTimeout: Duration
        package var connectTimeout: Duration
        /// How long this daemon's word on its jobs holds unless it is renewed.
        package var leaseTerm: Duration
        /// How long a server that starts or recovers is waited for.
        package var serverRecoveryTimeout: Duration
        package var createMissingSchemas: Bool
        package var extraSearchPath: [SchemaName]
        /// Whether to write where `default_transaction_read_only` is on.
        package var overridesReadOnly: Bool
        /// What bounds the waits of statements that build or drop an index beside the application.
        package var concurrentLockTimeout: Duration

        package init(
            maxRunningJobs: Int, maxQueuedJobs: Int = 1_000, scope: TransactionScope,
            targetLockTimeout: Duration, connectTimeout: Duration,
            leaseTerm: Duration = .seconds(15),
            serverRecoveryTimeout: Duration = .seconds(600), createMissingSchemas: Bool,
            extraSearchPath: [SchemaName], overridesReadOnly: Bool = false,
            concurrentLockTimeout: Duration = .seconds(600)
        ) {
            self.maxRunningJobs = maxRunningJobs
            self.maxQueuedJobs = maxQueuedJobs
            self.scope = scope
            self.targetLockTimeout = targetLockTimeout
            self.connectTimeout = connectTimeout
            self.leaseTerm = leaseTerm
            self.serverRecoveryTimeout = serverRecoveryTimeout
            self.createMissingSchemas = createMissingSchemas
            self.extraSearchPath = extraSearchPath
            self.overridesReadOnly = overridesReadOnly
            self.concurrentLockTimeout = concurrentLockTimeout
        }
    }

    package let registry: any TenantRegistry
    package let resolver: PlacementResolver
    package let store: StatusStore
    package let slots: ServerSlots
    package let migrations: MigrationLibrary
    /// Who runs what the engine cannot.
    package let external: (any ExternalStepRunner)?
    package let settings: Settings
    /// Where other daemons are heard; without it they are only looked after from time to time.
    let channel: ControlChannel?
    let peers = Peers()
    package let metrics: Metrics
    package let clock: WallClock
    package let logger: Logger

    package init(
        registry: any TenantRegistry, resolver: PlacementResolver, store: StatusStore,
        slots: ServerSlots, migrations: MigrationLibrary,
        external: (any ExternalStepRunner)? = nil, settings: Settings,
        channel: ControlChannel? = nil, metrics: Metrics = Metrics(), clock: WallClock = .system,
        logger: Logger
    ) {
        self.registry = registry
        self.resolver = resolver
        self.store = store
        self.slots = slots
        self.migrations = migrations
        self.external = external
        self.settings = settings
        self.channel = channel
        self.metrics = metrics
        self.clock = clock
        self.logger = logger
    }

    /// How sessions of a job are set up.
    package func session(for request: JobRequest) -> SessionSettings {
        SessionSettings(
            lockTimeoutMilliseconds: request.lockTimeoutMilliseconds,
            statementTimeoutMilliseconds: request.statementTimeoutMilliseconds,
            extraSearchPath: settings.extraSearchPath,
            overridesReadOnly: settings.overridesReadOnly,
            concurrentLockTimeoutMilliseconds: Int(settings.concurrentLockTimeout.milliseconds))
    }

    func task(for request: JobRequest) -> TargetTask {
        let set = migrations.loaded.set
        return TargetTask(
            operation: request.operation, target: request.target, graph: set.graph,
            dryRun: request.dryRun, createMissingSchemas: settings.createMissingSchemas,
            versionTable: set.versionTable)
    }

    /// A worker's connection; what servers say beside their results goes to the log.
    package func makeConnection(
        on thread: ConnectionThread = ConnectionThread(),
        schemaLimit: Int = WorkerConnection.migratedSchemas
    ) -> WorkerConnection {
        WorkerConnection(
            thread: thread, slots: slots, connectTimeout: settings.connectTimeout,
            schemaLimit: schemaLimit, onNotice: logNotice)
    }

    /// Writes a server's notice to the log: warnings as such, the rest for those who look closely.
    package var logNotice: @Sendable (PostgresNotice) -> Void {
        { [logger] notice in
            logger.log(
                level: notice.severity == "WARNING" ? .warning : .debug,
                "PostgreSQL sent a notice",
                metadata: [
                    "severity": "\(notice.severity)", "sqlstate": "\(notice.sqlState)",
                    "message": "\(notice.message)",
                ])
        }
    }
}
