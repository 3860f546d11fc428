internal import TenancyCore

/// The migrations that the configuration names.
struct MigrationSource {
    let library: MigrationLibrary
    /// Who runs the steps of an Alembic project that only Alembic can run.
    let python: PythonPool?

    /// Reads them, or says everything that is wrong with them.
    init(_ migrations: DaemonConfig.Migrations) async throws(CommandFailure) {
        let project = Self.project(migrations)
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
    static func load(_ migrations: DaemonConfig.Migrations) async throws(FolderError) -> RevisionSet
    {
        try await read(migrations, project(migrations))
    }

    private static func project(_ migrations: DaemonConfig.Migrations) -> AlembicProject? {
        guard migrations.source == .alembic else { return nil }
        return AlembicProject(
            AlembicProject.Options(
                path: migrations.path, python: migrations.python,
                timeout: migrations.readTimeout, cacheFolder: migrations.cacheFolder,
                driver: migrations.driver))
    }

    private static func read(
        _ migrations: DaemonConfig.Migrations, _ project: AlembicProject?
    ) async throws(FolderError) -> RevisionSet {
        guard let project else { return try SQLFolder.load(path: migrations.path) }
        return try await project.load()
    }
}
