import ChildProcesses
import Descriptors
import FoundationEssentials
import Glibc
import TestSupport
import Testing

@testable import Alembic
@testable import PostgresClient
@testable import Support

/// Counts the process's descriptors, so nothing else may run beside it: `make test-unit` gives this
/// suite a run of its own.
@Suite("No descriptor is left behind, none is closed twice", .serialized)
struct DescriptorLeakTests {
    /// `make test-optimised` asks for 10,000, which would take too long in a debug build.
    private static let rounds =
        ProcessInfo.processInfo.environment["DESCRIPTOR_ROUNDS"].flatMap { Int($0) } ?? 1_000

    private func openDescriptors() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").sorted()
    }

    /// Runs `body` once so that what is made only once is there, and then many times.
    private func expectNothingLeft(
        after rounds: Int, _ body: (Int) async throws -> Void
    ) async throws {
        try await body(0)
        let before = try openDescriptors()
        let misses = DescriptorClosing.misses
        for round in 1...rounds { try await body(round) }
        // What a thread of a connection still holds goes with its last job.
        let isLevel = try await eventually { try openDescriptors().count <= before.count }
        let after = try openDescriptors()
        #expect(isLevel, "\(before) and then \(after)")
        #expect(DescriptorClosing.misses == misses)
    }

    @Test("after thousands of children that are given files and pipes")
    func children() async throws {
        try await expectNothingLeft(after: Self.rounds) { _ in
            var files = ChildFiles()
            _ = try files.addPipeToChild()
            _ = try files.addPipeFromChild()
            try files.add(MemoryFile([1]).descriptor)
            let launch = ChildProcess.Launch(command: ["/bin/true"])
            try ChildProcess.spawn(launch, files).kill()
        }
    }

    @Test("after programs that cannot be started")
    func failedStarts() async throws {
        try await expectNothingLeft(after: Self.rounds) { _ in
            #expect(throws: PythonWorker.Failure.self) {
                try PythonWorker(python: "/nosuch/python", directory: "/")
            }
        }
    }

    @Test(
        "after workers of which one in three is wrong, ends or says nothing, with a shell as Python"
    )
    func workers() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "workers-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        let python = folder.path + "/python"
        try Data(
            """
            #!/bin/sh
            echo '{"event": "ready"}'
            read -r request; echo '{"event": "done", "id": 1}'; read -r request
            """.utf8
        ).write(to: URL(filePath: python))
        try #require(chmod(python, 0o755) == 0)
        let timeouts = PythonWorker.Timeouts(beginning: .seconds(60), statement: .seconds(60))
        try await expectNothingLeft(after: Self.rounds) { round in
            let command = round % 3 == 2 ? "/bin/cat" : python
            let worker = try PythonWorker(python: command, directory: "/")
            if round % 3 == 2 {
                await #expect(throws: PythonWorker.Failure.self) {
                    try await worker.greeting(within: .seconds(60))
                }
            } else {
                let greeting = try await worker.greeting(within: .seconds(60))
                #expect(greeting["event"] == "ready")
                _ = try await worker.perform(JSONObject(uniqueMembers: []), timeouts)
            }
            // The others end with their last reference.
            if round % 3 == 0 { await worker.kill() }
        }
    }

    @Test("after connections, a quarter of them refused")
    func connections() async throws {
        try await TestCluster.withDatabase { database in
            let good = try database.parameters
            let bad = good.setting("dbname", to: "nosuch")
            let thread = ConnectionThread()
            try await expectNothingLeft(after: Self.rounds) { round in
                if round % 4 == 3 {
                    await #expect(throws: PostgresError.self) {
                        _ = try await PostgresConnection.connect(bad, on: thread)
                    }
                } else {
                    let connection = try await PostgresConnection.connect(good, on: thread)
                    if round.isMultiple(of: 2) { _ = try await connection.query("SELECT 1") }
                    await connection.close()
                }
            }
        }
    }

    @Test("a number that is closed twice is counted")
    func counted() throws {
        let misses = DescriptorClosing.misses
        let number = dup(0)
        DescriptorClosing.close(number)
        DescriptorClosing.close(number)
        #expect(DescriptorClosing.misses == misses + 1)
    }
}
