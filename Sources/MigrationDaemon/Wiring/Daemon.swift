internal import ControlAPI
internal import ControlStore
internal import DaemonConfiguration
internal import Fleet
internal import HTTPLite
internal import JobModel
internal import Logging
internal import PostgresClient
internal import Revisions
internal import Scheduler
internal import Support
internal import Tenants

/// Builds the parts of a daemon from its configuration and joins them. The only place that does.
struct Daemon: Sendable {
    /// Connections to the control database and to the registry, which carry short statements only.
    static let controlConnections = 4
    private static let registryConnections = 4
    /// How long answers under way may take once nothing new is accepted.
    private static let httpDrain = Duration.seconds(10)

    let config: DaemonConfig
    let logger: Logger
    let server: HTTPServer
    let scheduler: JobScheduler
    let preparation: ControlPreparation
    private let failedTenants: FailedTenants
    private let migrations: MigrationLibrary
    private let tls: TLSContext?

    /// Joins everything; nothing is started and no database is asked yet. Sockets that a service
    /// manager has opened (`inherited`) stand in for those of the configuration.
    init(
        _ config: DaemonConfig, logger: Logger, inherited: [ListenerAddress] = []
    ) async throws(CommandFailure) {
        self.config = config
        self.logger = logger
        let core = try await DaemonCore(config, logger: logger)
        migrations = core.migrations
        let replica = UUIDText.random()
        scheduler = core.makeScheduler(config, replica: replica)
        let directory = core.makeDirectory()
        let failedTenants = FailedTenants(directory: directory, jobEndings: scheduler.endings)
        self.failedTenants = failedTenants
        preparation = ControlPreparation(store: core.store, logger: logger) {
            [scheduler] in
            await scheduler.start()
            failedTenants.start()
        }
        let authenticator = Authenticator(AccessRules(config.server))
        let services = Services(
            scheduler: scheduler,
            events: JobEvents(scheduler: scheduler, tenants: core.store.jobTenants),
            eventStreams: EventStreams(limit: config.server.limits.eventStreams),
            directory: directory, failedTenants: failedTenants,
            resolver: core.makeStepResolver(config),
            library: core.migrations,
            readiness: Readiness(
                preparation: preparation, store: core.store, registry: core.registry,
                library: core.migrations),
            identity: DaemonIdentity(
                replicaID: replica, startedAt: core.clock.now,
                otherReplicas: { [scheduler] in await scheduler.otherReplicas }),
            jobDefaults: JobDefaults(config.scheduler), clock: core.clock,
            description: APIDescription(requiresToken: authenticator.requiresToken))
        tls = try Daemon.tls(config.server.tls)
        var configuration = Daemon.serverConfiguration(config.server, logger: logger)
        configuration.listeners = try ServerListeners.choose(config.server, inherited: inherited)
        configuration.tls = tls
        let metrics = core.metrics
        metrics.begin(.httpResponses, ["2xx", "3xx", "4xx", "5xx", "none"])
        configuration.onAccess = { entry in
            AccessLog.write(entry, to: logger)
            metrics.add(.httpResponses, entry.status.map { "\($0.code / 100)xx" } ?? "none")
            metrics.observe(.httpDuration, milliseconds: entry.duration.milliseconds)
        }
        server = HTTPServer(
            configuration: configuration,
            handler: Routes.handler(
                services, authenticator,
                limits: RequestRates.middleware(config.server.limits, authenticator)))
    }

    /// Starts serving, and returns once the control database has been tried: a daemon whose database
    /// is there takes jobs from the first moment that anybody knows its address.
    ///
    /// - Returns: the addresses that are served, with their real ports, as clients call them.
    func start() async throws(CommandFailure) -> [String] {
        let addresses: [ListenerAddress]
        do throws(SocketError) {
            addresses = try server.start()
        } catch {
            throw CommandFailure(.failure, "The daemon cannot listen: \(error)")
        }
        await preparation.start()
        return addresses.map { $0.url(usesTLS: tls != nil) }
    }

    /// Reads the certificates and the migrations again; what is broken is logged, and what was
    /// before stays in force.
    func reload() {
        reloadCertificates()
        // Beside the signals: a project takes its time, and the daemon may be told to stop.
        Task { await reloadMigrations() }
    }

    private func reloadCertificates() {
        guard let tls else { return }
        do throws(TLSError) {
            try tls.reload()
            logger.notice("Certificates reloaded")
        } catch {
            logger.error(
                "Certificates were not reloaded",
                metadata: ["problem": "\(ServerTLS.describe(error))"])
        }
    }

    private func reloadMigrations() async {
        do throws(FolderError) {
            let loaded = try await migrations.reload()
            logger.notice(
                "Migrations reloaded",
                metadata: ["revisions": "\(loaded.set.graph.revisions.count)"])
        } catch {
            logger.error("Migrations were not reloaded", metadata: ["problems": "\(error)"])
        }
    }

    /// Lets running tenants end, then answers what is under way, then stops. A second signal rolls
    /// the running tenants back at once.
    func shutdown(again signals: Signals) async {
        logger.notice("Draining", metadata: ["limit": "\(config.scheduler.drainTimeout)"])
        preparation.stop()
        failedTenants.stop()
        let secondSignal = Task {
            await signals.untilStop()
            if !Task.isCancelled { await scheduler.interrupt() }
        }
        await scheduler.drain(timeout: config.scheduler.drainTimeout)
        secondSignal.cancel()
        await server.shutdown(deadline: Daemon.httpDrain)
        logger.notice("Stopped")
    }

    static func registry(
        _ config: DaemonConfig
    ) throws(CommandFailure) -> any TenantRegistry {
        let rule = config.tenancy.isolationRule
        switch config.registry.source {
        case .table:
            let url = config.registry.databaseURL ?? config.tenancy.databaseURL
            let pool = ConnectionPool(
                try parameters(url, "registry.database_url"), limit: registryConnections,
                connectTimeout: config.scheduler.connectTimeout)
            return PostgresTenantRegistry(
                pool: pool, table: config.registry.table, columns: config.registry.columns,
                rule: rule)
        case .file:
            let path = config.registry.file ?? ""
            do {
                return try StaticTenantRegistry.parse(Files.read(path), rule: rule)
            } catch {
                throw CommandFailure(.failure, "registry.file: \(error)")
            }
        }
    }

    static func resolver(
        _ tenancy: DaemonConfig.Tenancy
    ) throws(CommandFailure) -> PlacementResolver {
        do throws(ConnectionStringError) {
            return try PlacementResolver(tenancy.placementRules)
        } catch {
            throw CommandFailure(.failure, "tenancy.database_url \(error)")
        }
    }

    static func parameters(
        _ url: Secret, _ key: String
    ) throws(CommandFailure) -> ConnectionParameters {
        do throws(ConnectionStringError) {
            return try ConnectionString.parse(url)
        } catch {
            throw CommandFailure(.failure, "\(key) \(error)")
        }
    }

    private static func tls(
        _ tls: DaemonConfig.Server.TLS
    ) throws(CommandFailure) -> TLSContext? {
        do throws(TLSError) {
            return try ServerTLS.open(tls)
        } catch {
            throw CommandFailure(.failure, ServerTLS.describe(error))
        }
    }

    private static func serverConfiguration(
        _ server: DaemonConfig.Server, logger: Logger
    ) -> HTTPServerConfiguration {
        var configuration = HTTPServerConfiguration(listeners: [])
        configuration.limits = Limits(server.limits)
        configuration.serverName = "migrationd"
        configuration.renderFailure = Routes.response(to:requestID:)
        configuration.onUncaught = { error, requestID in
            logger.error(
                "A request failed inside",
                metadata: ["request_id": "\(requestID)", "error": "\(type(of: error))"])
        }
        return configuration
    }
}

extension Limits {
    /// HTTPLite's bounds with those that the configuration sets.
    init(_ limits: DaemonConfig.Server.Limits) {
        self.init()
        requestLineBytes = limits.requestLineBytes
        headBytes = limits.headerBytes
        fieldCount = limits.headerFields
        bodyBytes = limits.bodyBytes
        connections = limits.connections
        connectionsPerAddress = limits.connectionsPerClient
        requestsPerConnection = limits.requestsPerConnection
        headTimeout = limits.headerTimeout
        bodyIdleTimeout = limits.bodyTimeout
        writeTimeout = limits.writeTimeout
        idleTimeout = limits.idleTimeout
        // Event streams have a limit of their own; beside them results are streamed as NDJSON.
        streams += limits.eventStreams
    }
}

extension JobDefaults {
    /// What a job is run with unless its request says otherwise.
    init(_ scheduler: DaemonConfig.Scheduler) {
        self.init(
            concurrency: scheduler.concurrency, pageSize: scheduler.pageSize,
            lockTimeoutMilliseconds: Int(scheduler.lockTimeout.milliseconds),
            statementTimeoutMilliseconds: Int(scheduler.statementTimeout.milliseconds),
            maxAttempts: scheduler.maxAttempts)
    }
}
