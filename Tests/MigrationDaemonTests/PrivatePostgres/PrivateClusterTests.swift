import FoundationEssentials
import Glibc
import PrivatePostgres
import TestSupport
import Testing

@Suite("a private cluster")
struct PrivateClusterTests {
    @Test("it answers over TCP and over its socket, and leaves nothing when it stops")
    func startsAndStops() async throws {
        let cluster = try await PrivateCluster.start(.init(settings: quick))
        #expect(try await cluster.psql("SELECT 6 * 7") == "42\n")
        #expect(try await query(cluster.url(), "SHOW listen_addresses") == "127.0.0.1\n")
        #expect(try await cluster.psql("SHOW fsync") == "off\n")
        let pid = try serverPID(in: cluster.folder)
        #expect(getpgid(pid) == pid, "a terminal's Ctrl-C passes it by")

        try await cluster.stop()

        #expect(!isAlive(pid))
        #expect(!FileManager.default.fileExists(atPath: cluster.folder))
        #expect(!FileManager.default.fileExists(atPath: cluster.socketDirectory))
        await #expect(throws: ClusterError.stopped) { try await cluster.psql("SELECT 1") }
        try await cluster.stop()
    }

    @Test("the server never runs as root")
    func dropsPrivileges() async throws {
        let cluster = try await TestCluster.shared()
        let pid = try serverPID(in: cluster.folder)
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let owner = status.split(separator: "\n").first { $0.hasPrefix("Uid:") }
        #expect(owner.map { !$0.split(separator: "\t").contains("0") } == true)
    }

    @Test("two clusters run side by side")
    func twoAtOnce() async throws {
        async let starting = PrivateCluster.start(.init(settings: quick))
        let other = try await PrivateCluster.start(.init(settings: quick))
        let one = try await starting
        #expect(one.port != other.port)
        try await one.psql("CREATE DATABASE only_here")
        let databases = "SELECT count(*) FROM pg_database WHERE datname = 'only_here'"
        #expect(try await other.psql(databases) == "0\n")
        try await one.stop(.immediate)
        #expect(try await other.psql("SELECT 1") == "1\n")
        try await other.stop(.immediate)
    }

    @Test("with a password, TCP asks for it and the URL carries it")
    func password() async throws {
        let secret = "p@ss/wörd:%?"
        let cluster = try await PrivateCluster.start(
            .init(authentication: .password(secret), settings: quick))
        #expect(try await query(cluster.url(), "SELECT 1") == "1\n")
        #expect(!cluster.url().contains(secret))
        let without = "postgresql://postgres:wrong@127.0.0.1:\(cluster.port)/postgres"
        await #expect(throws: ToolFailure.self) { try await query(without, "SELECT 1") }
        try await cluster.stop()
    }

    @Test("a chosen folder keeps its data, over a crash as well")
    func keeps() async throws {
        let parent = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: parent) }
        let folder = parent + "/kept"
        // What an initdb leaves behind that was killed is no cluster and no reason to refuse.
        try FileManager.default.createDirectory(
            atPath: folder + "/data.unfinished/base", withIntermediateDirectories: true)
        var cluster = try await PrivateCluster.start(.init(folder: .at(folder)))
        try await cluster.psql("CREATE TABLE kept AS SELECT 1 AS a")
        try await cluster.restart(.immediate)
        #expect(try await cluster.psql("SELECT a FROM kept") == "1\n")
        try await cluster.stop()
        cluster = try await PrivateCluster.start(.init(folder: .at(folder), port: cluster.port))
        #expect(try await cluster.psql("SELECT a FROM kept") == "1\n")
        try await cluster.stop(.immediate)
    }

    @Test("a folder with other files in it is refused and left alone")
    func refuses() async throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try "mine".write(toFile: folder + "/file", atomically: false, encoding: .utf8)
        await #expect(throws: ClusterError.folderNotEmpty(folder: folder)) {
            try await PrivateCluster.start(.init(folder: .at(folder)))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["file"])
    }

    @Test("a server that cannot start says why and leaves nothing")
    func explains() async throws {
        let error = await #expect(throws: ClusterError.self) {
            try await PrivateCluster.start(.init(port: 1, settings: ["work_mem": "much"]))
        }
        #expect(error?.description.contains(#"parameter "work_mem""#) == true)
    }

    @Test("a statement that fails is an error with PostgreSQL's words")
    func failingSQL() async throws {
        let cluster = try await TestCluster.shared()
        let error = await #expect(throws: ClusterError.self) {
            try await cluster.psql("SELECT 1; SELECT nonsense")
        }
        #expect(error?.description.contains(#"column "nonsense" does not exist"#) == true)
    }

    @Test("every test has a database of its own")
    func ownDatabase() async throws {
        let name = try await TestCluster.withDatabase { database in
            try await database.psql("CREATE TABLE t (a int)")
            #expect(try await query(database.url, "SELECT current_database()").hasPrefix("test_"))
            return database.name
        }
        let cluster = try await TestCluster.shared()
        let count = "SELECT count(*) FROM pg_database WHERE datname = '\(name)'"
        #expect(try await cluster.psql(count) == "0\n")
    }
}
