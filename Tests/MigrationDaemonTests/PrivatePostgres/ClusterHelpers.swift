import FoundationEssentials
import Glibc
import PrivatePostgres
import TestSupport

let quick = ClusterConfiguration.throwAwaySettings

/// psql's words when a query over a URL failed.
struct ToolFailure: Error {
    let output: String
}

/// Asks by URL, as a client of the cluster would, from inside the shared cluster's own psql.
func query(_ url: String, _ sql: String) async throws -> String {
    let cluster = try await TestCluster.shared()
    do {
        return try await cluster.psql("\\connect '\(url)'\n\(sql);\n")
    } catch {
        throw ToolFailure(output: "\(error)")
    }
}

func serverPID(in folder: String) throws -> pid_t {
    let text = try String(contentsOfFile: folder + "/data/postmaster.pid", encoding: .utf8)
    guard let pid = text.split(separator: "\n").first.flatMap({ pid_t($0) }) else {
        throw ToolFailure(output: "no process id in postmaster.pid")
    }
    return pid
}

func isAlive(_ pid: pid_t) -> Bool { kill(pid, 0) == 0 }

/// A folder that an unprivileged server can enter, too.
func temporaryFolder() throws -> String {
    let path = "/tmp/migrationd-test-\(UInt64.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
    return path
}
