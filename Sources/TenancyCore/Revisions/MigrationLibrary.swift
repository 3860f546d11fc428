package import Support
internal import Synchronization

/// A set of migrations as it was read.
package struct LoadedMigrations: Sendable {
    package let set: RevisionSet
    package let loadedAt: Timestamp
    /// Where they came from: `sql` or `alembic`.
    package let source: String
    /// The same for the same revisions: daemons with another one do not share jobs.
    package let digest: String

    package init(set: RevisionSet, loadedAt: Timestamp, source: String) {
        self.set = set
        self.loadedAt = loadedAt
        self.source = source
        var lines = set.graph.revisions.map { "\($0.id) \($0.checksum)\n" }.sorted()
        if set.versionTable != .standard {
            lines.append("\(set.versionTable.schema ?? "") \(set.versionTable.name)\n")
        }
        digest = Hex.encode(Digest.sha256(Array(lines.joined().utf8)))
    }
}

/// The migrations in force; a job keeps the set that it began with.
package final class MigrationLibrary: Sendable {
    private let source: String
    private let clock: WallClock
    private let load: Load
    private let current: Mutex<LoadedMigrations>

    /// Reads the migrations from where they lie.
    package typealias Load = @Sendable () async throws(FolderError) -> RevisionSet

    /// Reads the migrations for the first time.
    ///
    /// - Throws: `FolderError` with every problem of the set.
    package init(
        source: String, clock: WallClock = .system,
        load: @escaping Load
    ) async throws(FolderError) {
        self.source = source
        self.clock = clock
        self.load = load
        let set = try await load()
        current = Mutex(LoadedMigrations(set: set, loadedAt: clock.now, source: source))
    }

    package var loaded: LoadedMigrations { current.withLock { $0 } }

    /// Reads them again. A broken set throws, and the one before stays in force.
    package func reload() async throws(FolderError) -> LoadedMigrations {
        let set = try await load()
        let loaded = LoadedMigrations(set: set, loadedAt: clock.now, source: source)
        current.withLock { $0 = loaded }
        return loaded
    }
}
