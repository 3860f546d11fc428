public import PrivatePostgres
internal import Synchronization

/// The PostgreSQL server that all tests of a process share.
///
/// It starts with the first test that asks for it. When the process ends, however it ends, its
/// guard stops the server and removes its files.
public enum TestCluster {
    private static let starting = Task {
        try await PrivateCluster.start(
            ClusterConfiguration(
                settings: ClusterConfiguration.throwAwaySettings.merging([
                    "max_connections": "300", "max_locks_per_transaction": "256",
                ]) { _, new in new }))
    }

    private static let databases = Mutex(0)

    /// The running cluster.
    public static func shared() async throws -> PrivateCluster {
        try await starting.value
    }

    /// Runs `body` with a new, empty database and drops it afterwards, clients or not.
    public static func withDatabase<Result>(
        _ body: (TestDatabase) async throws -> Result
    ) async throws -> Result {
        let cluster = try await shared()
        let number = databases.withLock { count in
            count += 1
            return count
        }
        let database = TestDatabase(name: "test_\(number)", cluster: cluster)
        try await cluster.psql("CREATE DATABASE \(database.name)")
        do {
            let result = try await body(database)
            try await cluster.psql("DROP DATABASE \(database.name) WITH (FORCE)")
            return result
        } catch {
            // The test's own error is the one to see; the database goes with the cluster.
            _ = try? await cluster.psql("DROP DATABASE \(database.name) WITH (FORCE)")
            throw error
        }
    }
}

/// A database of one test's own.
public struct TestDatabase: Sendable {
    public let name: String
    public let cluster: PrivateCluster

    /// A `postgresql://` URL of this database for the superuser, over TCP.
    public var url: String { cluster.url(database: name) }

    /// Runs SQL in this database through psql, see `PrivateCluster.psql(_:database:)`.
    @discardableResult
    public func psql(_ sql: String) async throws -> String {
        try await cluster.psql(sql, database: name)
    }
}
