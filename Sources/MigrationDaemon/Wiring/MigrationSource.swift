internal import TenancyCore

/// The migrations that the configuration names.
struct MigrationSource {
    let library: MigrationLibrary
    /// Who runs the steps of an Alembic project that only Alembic can run.
    let python: PythonPool?

    /// Reads them, or says everything that is wrong with them.
    init(_ migrations: DaemonConfig.Migrations) async throws(CommandFailure) {
        let load = Self.loader(migrations)
        do throws(FolderError) {
            library = try await MigrationLibrary(
                source: migrations.source.rawValue, load: load.load)
        } catch {
            throw CommandFailure(.failure, "The migrations cannot be used:\n\(error)")
        }
        python = load.project.map { PythonPool(project: $0, workers: migrations.workers) }
    }

    /// Reads the migrations once, for a command.
    static func load(_ migrations: DaemonConfig.Migrations) async throws(FolderError) -> RevisionSet
    {
        try await loader(migrations).load()
    }

    private static func loader(
        _ migrations: DaemonConfig.Migrations
    ) -> (load: MigrationLibrary.Load, project: AlembicProject?) {
        let path = migrations.path
        switch migrations.source {
        case .sql:
            return ({ () throws(FolderError) in try SQLFolder.load(path: path) }, nil)
        case .alembic:
            let project = AlembicProject(
                AlembicProject.Options(
                    path: path, python: migrations.python, timeout: migrations.readTimeout,
                    cacheFolder: migrations.cacheFolder))
            return ({ () async throws(FolderError) in try await project.load() }, project)
        }
    }
}
