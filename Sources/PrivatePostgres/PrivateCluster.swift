internal import FoundationEssentials
internal import Glibc
internal import Synchronization

/// A PostgreSQL server of this process's own: made, started, stopped and, if temporary, removed.
///
/// It listens on 127.0.0.1 and on a socket in a folder that only its user can enter. It never
/// outlives its owner: when the value goes away or the process dies in whatever way, the server is
/// shut down at once. Run as root, the server and its files belong to `postgres` or `nobody`.
public final class PrivateCluster: Sendable {
    /// How a server ends; both break its clients' connections.
    public enum ShutdownMode: Sendable {
        /// Open transactions are rolled back and the data is written out.
        case fast
        /// Like a crash: the next start recovers from the log.
        case immediate

        var signal: Int32 { self == .fast ? SIGINT : SIGQUIT }
    }

    /// The TCP port on 127.0.0.1.
    public let port: UInt16
    /// The folder of the Unix socket, for `host=` in a connection string.
    public let socketDirectory: String
    /// The folder with the cluster's `data` and its `server.log`.
    public let folder: String
    /// The bootstrap superuser's name.
    public let superuser = "postgres"

    let setup: ClusterSetup
    private let configuration: ClusterConfiguration
    private let server: Mutex<ServerProcess?>

    private init(
        _ configuration: ClusterConfiguration, setup: ClusterSetup, port: UInt16,
        server: ServerProcess
    ) {
        self.configuration = configuration
        self.setup = setup
        self.port = port
        self.folder = setup.folder
        self.socketDirectory = setup.socketDirectory
        self.server = Mutex(server)
    }

    /// Makes the cluster unless its folder holds one, starts it and waits until it is ready.
    public static func start(
        _ configuration: ClusterConfiguration = .init()
    ) async throws(ClusterError) -> PrivateCluster {
        let setup = try await ClusterSetup.prepare(configuration)
        do throws(ClusterError) {
            guard let port = configuration.port else {
                return try await startOnFreePort(configuration, setup: setup)
            }
            let server = try await setup.launch(configuration, port: port)
            return PrivateCluster(configuration, setup: setup, port: port, server: server)
        } catch {
            await setup.remove()
            throw error
        }
    }

    /// A free port can be taken by somebody else before the server binds it, so it has some tries.
    private static func startOnFreePort(
        _ configuration: ClusterConfiguration, setup: ClusterSetup
    ) async throws(ClusterError) -> PrivateCluster {
        var triesLeft = 5
        while true {
            triesLeft -= 1
            let port = try freePort()
            do throws(ClusterError) {
                let server = try await setup.launch(configuration, port: port)
                return PrivateCluster(configuration, setup: setup, port: port, server: server)
            } catch {
                guard case .serverExited = error, triesLeft > 0 else { throw error }
            }
        }
    }

    /// A connection URL for the superuser over TCP, with the password if the cluster has one.
    public func url(database: String = "postgres") -> String {
        let password =
            switch configuration.authentication {
            case .trust: ""
            case .password(let password): ":" + percentEncoded(password)
            }
        return "postgresql://\(superuser)\(password)@127.0.0.1:\(port)/\(percentEncoded(database))"
    }

    /// Runs SQL as the superuser through psql, stopping at the first error, and returns what it
    /// prints: a row a line, columns separated by `|`. For set-up and tests; psql's own
    /// commands work.
    @discardableResult
    public func psql(
        _ sql: String, database: String = "postgres"
    ) async throws(ClusterError) -> String {
        guard server.withLock({ $0 != nil }) else { throw .stopped }
        let command = [
            setup.binaries.psql, "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1",
            "-h", socketDirectory, "-p", "\(port)", "-U", superuser, "-d", database, "-f", "-",
        ]
        return try await Tool.run(command, name: "psql", input: sql)
    }

    /// Stops the server and starts it again on the same port and folder.
    ///
    /// After `.immediate` the server refuses connections (57P03) until it has recovered, which this
    /// waits for.
    public func restart(_ mode: ShutdownMode = .fast) async throws(ClusterError) {
        try await end(mode)
        let next = try await setup.launch(configuration, port: port)
        server.withLock { $0 = next }
    }

    /// Stops the server and removes what is temporary. A second call does nothing.
    public func stop(_ mode: ShutdownMode = .fast) async throws(ClusterError) {
        try await end(mode)
        await setup.remove()
    }

    /// Whoever takes the server out of the mutex is the only one to signal and reap it.
    private func end(_ mode: ShutdownMode) async throws(ClusterError) {
        let taken = server.withLock { server in
            defer { server = nil }
            return server
        }
        guard let taken else { return }
        try await uncancelled { () async throws(ClusterError) in try await taken.end(mode.signal) }
    }
}

/// Everything but the characters that RFC 3986, section 2.3 calls unreserved as `%XX`.
private func percentEncoded(_ text: String) -> String {
    text.utf8.map { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "~"):
            String(UnicodeScalar(byte))
        default:
            "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
    }.joined()
}
