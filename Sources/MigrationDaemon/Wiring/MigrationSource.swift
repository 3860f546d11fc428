internal import TenancyCore

/// Opens the migrations that the configuration names.
enum MigrationSource {
    /// Reads them, or says everything that is wrong with them.
    static func open(_ migrations: DaemonConfig.Migrations) throws(CommandFailure)
        -> MigrationLibrary
    {
        precondition(migrations.source == .sql, "other sources are refused with the configuration")
        let path = migrations.path
        do throws(FolderError) {
            return try MigrationLibrary(source: migrations.source.rawValue) {
                () throws(FolderError) in try SQLFolder.load(path: path)
            }
        } catch {
            throw CommandFailure(.failure, "The migrations cannot be used:\n\(error)")
        }
    }
}
