import TestSupport
import Testing

@testable import ControlStore
@testable import Engine
@testable import JobModel

@Suite("Replicas that share a control database", .timeLimit(.minutes(5)))
struct ReplicaTableTests {
    @Test("a replica sees its peers that live, and not those that are gone or about to go")
    func heartbeats() async throws {
        try await SharedJob.with { store, _ in
            #expect(
                try await SharedJob.heartbeat(SharedJob.replicas[0], store).peers.map(\.id)
                    == Array(SharedJob.replicas[1...]))
            try await SharedJob.heartbeat(SharedJob.replicas[1], store, lasting: .zero)
            _ = try await store.replicas.heartbeat(
                of: makeReplica(SharedJob.replicas[2]), isDraining: true, jobs: [],
                leaseDuration: .seconds(3600))
            #expect(try await SharedJob.heartbeat(SharedJob.replicas[0], store).peers.isEmpty)
            try await store.replicas.leave(SharedJob.replicas[0], jobs: [])
            try await SharedJob.heartbeat(SharedJob.replicas[1], store)
            #expect(try await SharedJob.heartbeat(SharedJob.replicas[1], store).peers.isEmpty)
        }
    }

    @Test("quotas are fair, shrink before others grow, and never add up to more than allowed")
    func quotas() async throws {
        try await SharedJob.with { store, job in
            func share(_ place: Int, inUse: Int) async throws -> [Int] {
                let share = try await store.replicas.quota(
                    of: job, replica: SharedJob.replicas[place], running: [], inUse: inUse)
                return [share?.slots ?? -1, share?.limit ?? -1]
            }
            #expect(try await share(0, inUse: 10) == [10, 10])
            // Who comes later gets nothing before the first has shrunk.
            #expect(try await share(1, inUse: 0) == [0, 0])
            #expect(try await share(0, inUse: 10) == [10, 5])
            #expect(try await share(1, inUse: 0) == [0, 0])
            #expect(try await share(0, inUse: 7) == [7, 5])
            #expect(try await share(1, inUse: 0) == [3, 3])
            #expect(try await share(0, inUse: 5) == [5, 5])
            #expect(try await share(1, inUse: 3) == [5, 5])
            // Ten among three: four, three, three.
            #expect(try await share(2, inUse: 0) == [0, 0])
            #expect(try await share(0, inUse: 4) == [4, 4])
            #expect(try await share(1, inUse: 2) == [3, 3])
            #expect(try await share(2, inUse: 0) == [3, 3])
            // What a dead replica had is free when its lease has expired.
            try await SharedJob.heartbeat(SharedJob.replicas[1], store, lasting: .zero)
            #expect(try await share(0, inUse: 4) == [5, 5])
            #expect(try await share(2, inUse: 3) == [5, 5])
        }
    }
}
