import TestSupport
import Testing

@testable import ControlStore
@testable import Engine
@testable import JobModel

@Suite("Tenants that pass from one replica to another", .timeLimit(.minutes(5)))
struct HandoverTableTests {
    @Test("published tenants are claimed by one replica each, and end under its name")
    func claims() async throws {
        try await SharedJob.with { store, job in
            let claims = ["a", "b", "c", "d"].map {
                makeClaim($0, target: Int64($0.unicodeScalars.first?.value ?? 0), isOffered: true)
            }
            _ = try await store.jobTenants.claim(
                claims + [makeClaim("e", target: 1)], job: job, lease: makeLease())
            let stranger = makeReplica(SharedJob.replicas[1], migrations: "others")
            #expect(try await store.handovers.openJobs(for: stranger).isEmpty)
            #expect(
                try await store.handovers.openJobs(for: makeReplica(SharedJob.replicas[1])).map(
                    \.id) == [job]
            )

            async let some = store.handovers.claim(
                of: job, replica: SharedJob.replicas[1], limit: 2)
            async let more = store.handovers.claim(
                of: job, replica: SharedJob.replicas[2], limit: 2)
            let (ours, theirs) = try await (some, more)
            #expect((ours + theirs).map(\.name.id).sorted() == ["a", "b", "c", "d"])
            let mine = ours.map(\.name.id)
            #expect(
                try await store.handovers.claimed(of: job, replica: SharedJob.replicas[1]).map(
                    \.name.id
                )
                .sorted()
                    == mine.sorted())

            // Somebody else's tenants are not written to.
            let assistant = JobLease(replica: SharedJob.replicas[1], epoch: 0, isAssistant: true)
            var results = (ours + theirs).map {
                makeClaim($0.name.id, .succeeded, to: ["r"]).result
            }
            results.sort { $0.tenantID < $1.tenantID }
            try await store.jobTenants.record(results, job: job, lease: assistant)
            let seen = try await store.handovers.results(of: job, after: 0, limit: 10)
            #expect(seen.results.map(\.result.tenantID) == mine.sorted())
            #expect(seen.results.allSatisfy { $0.targetKey != nil })
            #expect(
                try await store.handovers.results(of: job, after: seen.last, limit: 10).results
                    .isEmpty)
        }
    }

    @Test(
        "the leading replica reclaims what nobody claimed, what was given back, and what the dead had"
    )
    func reclaiming() async throws {
        try await SharedJob.with { store, job in
            let ids = ["a", "b", "c"]
            _ = try await store.jobTenants.claim(
                ids.map { makeClaim($0, target: 1, isOffered: true) }, job: job, lease: makeLease())
            _ = try await store.handovers.claim(of: job, replica: SharedJob.replicas[1], limit: 1)
            _ = try await store.handovers.claim(of: job, replica: SharedJob.replicas[2], limit: 1)
            func own() async throws -> [String: Bool] {
                try await store.handovers.reclaim(ids, job: job, lease: makeLease())
            }
            #expect(try await own() == [:])
            try await store.handovers.withdraw(of: job, lease: makeLease(7))
            #expect(try await own() == [:], "under a lease that is not in force")
            try await store.handovers.withdraw(of: job, lease: makeLease())
            #expect(try await own() == ["c": false])
            try await store.handovers.giveBack(["a", "b"], of: job, replica: SharedJob.replicas[1])
            #expect(try await own() == ["a": false, "c": false])
            try await SharedJob.heartbeat(SharedJob.replicas[2], store, lasting: .zero)
            #expect(try await own() == ["a": false, "c": false])
            try await store.handovers.withdraw(of: job, lease: makeLease())
            #expect(try await own() == ["a": false, "b": true, "c": false])
        }
    }

    @Test("whoever takes a job over leaves to the living what they have claimed")
    func adoption() async throws {
        try await SharedJob.with { store, job in
            let claims = ["a", "b", "c"].map { makeClaim($0, target: 1, isOffered: true) }
            _ = try await store.jobTenants.claim(claims, job: job, lease: makeLease())
            _ = try await store.handovers.claim(of: job, replica: SharedJob.replicas[1], limit: 1)
            _ = try await store.handovers.claim(of: job, replica: SharedJob.replicas[2], limit: 1)
            try await SharedJob.heartbeat(SharedJob.replicas[2], store, lasting: .zero)
            _ = try await store.jobs.takeOverAbandoned(
                by: SharedJob.replicas[0], migrations: "m", leaseDuration: .seconds(3600))
            try await store.replicas.leave(SharedJob.replicas[0], jobs: [job])
            let taken = try await store.jobs.takeOverAbandoned(
                by: SharedJob.replicas[0], migrations: "m", leaseDuration: .seconds(3600))
            let lease = try #require(taken.first?.1)
            #expect(lease.epoch == 2)
            let claimed = try await store.jobTenants.claim(claims, job: job, lease: lease)
            #expect(Set(claimed.keys) == ["b", "c"])
            let others = try await store.handovers.adopt(["a"], job: job, lease: lease)
            #expect(others == ["a"])
            let assistant = JobLease(replica: SharedJob.replicas[1], epoch: 0, isAssistant: true)
            let result = makeClaim("a", .succeeded, to: ["r"]).result
            try await store.jobTenants.record([result], job: job, lease: assistant)
            #expect(
                try await store.handovers.results(of: job, after: 0, limit: 9).results.count == 1)
        }
    }
}
