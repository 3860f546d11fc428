import TestSupport
import Testing

@testable import ControlStore
@testable import Engine
@testable import JobModel

@Suite("Commands to the replica that leads a job", .timeLimit(.minutes(5)))
struct CommandTableTests {
    @Test("a command waits for whoever leads the job, and is answered once")
    func commands() async throws {
        try await SharedJob.with { store, job in
            let first = try await store.commands.add("pause", job: job, caller: caller)
            let second = try await store.commands.add("cancel immediate", job: job, caller: caller)
            #expect(try await store.commands.answer(to: first)?.isDone == false)
            let heartbeat = try await store.replicas.heartbeat(
                of: makeReplica(SharedJob.replicas[0]), isDraining: false, jobs: [job],
                leaseDuration: .seconds(3600))
            #expect(heartbeat.hasCommands && heartbeat.kept == [job])
            let open = try await store.commands.open(for: [job])
            #expect(open.map(\.id) == [first, second])
            #expect(open.map(\.action) == ["pause", "cancel immediate"])
            try await store.commands.close(first, refusedIn: nil)
            try await store.commands.close(second, refusedIn: .succeeded)
            #expect(try await store.commands.answer(to: second)?.refusedIn == .succeeded)
            #expect(try await store.commands.open(for: [job]).isEmpty)
        }
    }
}
