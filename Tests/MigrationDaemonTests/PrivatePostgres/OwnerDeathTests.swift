import FoundationEssentials
import Glibc
import PrivatePostgres
import TestSupport
import Testing

@Suite("the death of a private cluster's owner")
struct OwnerDeathTests {
    @Test("a server whose owner is killed with SIGKILL ends and its files go")
    func killed() async throws {
        let result = await #expect(
            processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]
        ) {
            let cluster = try await PrivateCluster.start(.init(settings: quick))
            let pid = try serverPID(in: cluster.folder)
            print("\(pid) \(cluster.folder) \(cluster.socketDirectory)")
            fflush(nil)
            kill(getpid(), SIGKILL)
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        let line = try #require(output.split(separator: "\n").first { $0.contains("/tmp/") })
        let words = line.split(separator: " ").map(String.init)
        let pid = try #require(Int32(words[0]))
        #expect(try await eventually { !isAlive(pid) })
        for folder in words.dropFirst() {
            #expect(
                try await eventually { !FileManager.default.fileExists(atPath: folder) },
                "\(folder)")
        }
    }

    @Test("a server whose value is released ends")
    func released() async throws {
        let pid = try await startAndForget()
        // The guard gives the server SIGQUIT; until it is reaped, its process is a zombie.
        #expect(try await eventually { waitpid(pid, nil, WNOHANG) != 0 })
    }

    private func startAndForget() async throws -> pid_t {
        let cluster = try await PrivateCluster.start(.init(settings: quick))
        return try serverPID(in: cluster.folder)
    }
}
