internal import Alembic
internal import DaemonConfiguration
internal import PostgresClient
internal import Revisions
internal import Tenants

/// The migrations that the configuration names.
struct MigrationSource {
    let library: MigrationLibrary
    /// Who runs the steps of an Alembic project that only Alembic can run.
    let python: PythonPool?

    /// Reads them, or says everything that is wrong with them.
    init(_ config: DaemonConfig) async throws(CommandFailure) {
        let migrations = config.migrations
        let project = try await Self.project(config)
        let pool = project.map { PythonPool(project: $0, workers: migrations.workers) }
        do throws(FolderError) {
            library = try await MigrationLibrary(source: migrations.source.rawValue) {
                () async throws(FolderError) in
                let set = try await Self.read(migrations, project)
                // What a worker has imported of the project may have changed.
                await pool?.retire()
                return set
            }
        } catch {
            throw CommandFailure(.failure, "The migrations cannot be used:\n\(error)")
        }
        python = pool
    }

    /// Reads the migrations once, for a command.
    static func load(_ config: DaemonConfig) async throws(CommandFailure) -> RevisionSet {
        let project = try await project(config)
        do throws(FolderError) {
            return try await read(config.migrations, project)
        } catch {
            throw CommandFailure(.failure, "\(config.migrations.path):\n\(error.description)")
        }
    }

    /// The Alembic project, whose Python does not run at all where it cannot run as the user that the
    /// configuration names.
    private static func project(
        _ config: DaemonConfig
    ) async throws(CommandFailure) -> AlembicProject? {
        let migrations = config.migrations
        guard migrations.source == .alembic else { return nil }
        var options = AlembicProject.Options(
            path: migrations.path, python: migrations.python, timeout: migrations.readTimeout,
            cacheFolder: migrations.cacheFolder, driver: migrations.driver)
        options.home = (try? ConnectionString.parse(config.tenancy.databaseURL)).flatMap {
            TenantHome(config.tenancy.isolationRule.strategy, $0)
        }
        if let name = migrations.user {
            do throws(PythonUser.Refusal) {
                options.user = try await PythonUser.find(name, for: options)
            } catch {
                let head = "The migrations cannot be run as another user:"
                // Wrong usage: a restart mends nothing of it.
                throw CommandFailure(.usage, lines: [head] + error.problems)
            }
        }
        return AlembicProject(options)
    }

    private static func read(
        _ migrations: DaemonConfig.Migrations, _ project: AlembicProject?
    ) async throws(FolderError) -> RevisionSet {
        guard let project else { return try SQLFolder.load(path: migrations.path) }
        return try await project.load()
    }
}
