internal import ArgumentParser
internal import DaemonConfiguration
internal import FoundationEssentials
internal import Logging
internal import PrivatePostgres
internal import Support

/// Shows a fleet being migrated on a PostgreSQL of its own.
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Starts a private PostgreSQL with a demo fleet, migrates it, and keeps serving.",
        discussion: "Ctrl-C stops everything. Nothing is left running, and no file is left behind "
            + "unless --keep is given.")

    @Option(help: "The folder for everything. Default: a temporary one.")
    var folder: String?

    @Flag(help: "Keeps the folder when the demo ends.")
    var keep = false

    @Option(help: "The port to listen on; 0 picks a free one.")
    var port = 8080

    @Option(help: "The number of tenants with their own schema.")
    var tenants = 200

    func validate() throws {
        guard (1...9_999).contains(tenants) else {
            throw ValidationError("--tenants takes 1 to 9999.")
        }
        guard (0...65_535).contains(port) else { throw ValidationError("--port takes 0 to 65535.") }
    }

    func run() async throws {
        let signals = Signals()
        let files = try DemoFolder.make(at: folder)
        defer { if !keep { files.remove() } }
        say("Starting a private PostgreSQL in \(files.path) ...")
        let cluster = try await start(files)
        let work = Task { try await show(cluster, files, signals) }
        let result = await work.result
        try? await cluster.stop()
        say(keep ? "Stopped. The files are in \(files.path)." : "Stopped.")
        try result.get()
    }

    private func start(_ files: DemoFolder) async throws -> PrivateCluster {
        do {
            return try await PrivateCluster.start(
                ClusterConfiguration(
                    folder: .at(files.cluster),
                    // Others on this machine must not become superuser of it.
                    authentication: .password(UUIDText.random()),
                    settings: ClusterConfiguration.throwAwaySettings.merging([
                        "max_connections": "100", "max_locks_per_transaction": "256",
                    ]) { _, new in new }))
        } catch {
            throw CommandFailure(.failure, "\(error)")
        }
    }

    private func show(
        _ cluster: PrivateCluster, _ files: DemoFolder, _ signals: Signals
    ) async throws {
        let fleet = DemoFleet(schemaTenants: tenants)
        say(
            "Creating \(tenants) schema tenants, \(fleet.databaseTenants) database tenants and a few "
                + "suspended, hybrid and RLS ones ...")
        try await fleet.create(in: cluster)
        try files.write(config: config(cluster, fleet, files))
        let daemon = try await Daemon(
            ConfigFile.load(files.config), logger: Loggers.make(level: .warning, format: .text))
        guard let address = try await daemon.start().first else { return }
        say("listening on \(address)")
        try await withThrowingTaskGroup { group in
            group.addTask {
                try await migrate(address)
                say(DemoGuide.text(address: address, config: files.config))
                return false
            }
            // Also in the middle of the upgrade, which is then drained like any other.
            group.addTask {
                await signals.untilStop()
                return true
            }
            while let isStopped = try await group.next(), !isStopped {}
            group.cancelAll()
        }
        say("\nStopping ...")
        await daemon.shutdown(again: signals)
    }

    /// The first fleet upgrade, over HTTP like any other client.
    private func migrate(_ address: String) async throws {
        let client = try APIClient(address: address, token: nil)
        for _ in 0..<100 {
            if (try? await client.send("GET", "/readyz")) != nil { break }
            try await Task.sleep(for: .milliseconds(50))
        }
        say("Upgrading the fleet: POST /v1/jobs {\"operation\": \"upgrade\"}")
        let job = try await client.send(
            "POST", "/v1/jobs",
            body: ["operation": "upgrade", "comment": "the demo's first release"])
        let persistent = PersistentClient(
            client: client, reconnection: Reconnection(limit: .zero))
        try await JobWatcher(client: persistent, json: false).follow(job)
    }

    private func config(
        _ cluster: PrivateCluster, _ fleet: DemoFleet, _ files: DemoFolder
    ) -> JSONValue {
        [
            "server": ["host": "127.0.0.1", "port": JSONValue(port)],
            "control": ["database_url": .string(cluster.url(database: "control"))],
            "tenancy": [
                "database_url": .string(cluster.url(database: "app")),
                "isolation_strategy": "schema",
                "premium_tenants": JSONValue(fleet.premiumTenants),
                "premium_isolation_strategy": "schema", "standard_isolation_strategy": "rls",
            ],
            "migrations": ["source": "sql", "path": .string(files.migrations)],
            "scheduler": ["concurrency": 4],
        ]
    }

    private func say(_ text: String) {
        StandardStream.output.writeText(text)
    }
}
