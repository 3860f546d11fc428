import TestSupport
import Testing

@testable import ControlStore
@testable import JobModel
@testable import Support

@Suite(.timeLimit(.minutes(5))) struct JobTableTests {
    private let key = IdempotencyKey(key: "k'1", bodyHash: "h")

    @Test("a job is read as it was written")
    func roundTrip() async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                var request = makeRequest(.downgrade, target: "lab'el@-1", dryRun: .plan)
                request.comment = "it's \"ours\" \\ é\u{301}"
                request.tenants.ids = ["a", "b"]
                request.tenants.metadata = ["plan": ["a": 1, "b": nil]]
                var job = makeJob(request)
                job.resolvedTarget = nil
                _ = try await store.take(job, key: nil, caller: caller, lease: makeLease())
                #expect(try await store.jobs.find(job.id) == job)
                job.state = .failed
                job.stateReason = "registry_unavailable"
                job.startedAt = Timestamp(milliseconds: 1_795_342_530_251)
                job.finishedAt = Timestamp(milliseconds: 1_795_342_531_999)
                job.counts.failed = 3
                job.counts.succeeded = 4
                job.firstErrors = [JobFailureNote(tenantID: "t", identifier: "i", error: "e'\"")]
                job.holds = [
                    JobHold(
                        reason: .serverUnavailable,
                        since: Timestamp(milliseconds: 1_795_342_530_300), detail: "db'1:5432")
                ]
                job.version = 9
                try await store.jobs.update(job, lease: makeLease())
                #expect(try await store.jobs.find(job.id) == job)
                #expect(try await store.jobs.find(makeJob(request).id) == nil)
            }
        }
    }

    @Test("what an older lease or an older moment writes is ignored")
    func staleUpdates() async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                var job = makeJob(makeRequest())
                _ = try await store.take(job, key: nil, caller: caller, lease: makeLease(2))
                job.version = 7
                job.state = .succeeded
                try await store.jobs.update(job, lease: makeLease(2))
                let final = job
                job.version = 6
                job.state = .cancelling
                try await store.jobs.update(job, lease: makeLease(2))
                job.version = 8
                try await store.jobs.update(job, lease: makeLease(1))
                #expect(try await store.jobs.find(job.id) == final)
            }
        }
    }

    @Test("jobs are listed newest first, by state and operation, page by page")
    func list() async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                var jobs: [JobSnapshot] = []
                for (index, operation) in [JobOperation.upgrade, .check, .upgrade].enumerated() {
                    let job = makeJob(
                        makeRequest(operation), at: Timestamp(milliseconds: Int64(index + 1)),
                        state: index == 2 ? .running : .queued)
                    _ = try await store.take(job, key: nil, caller: caller, lease: makeLease())
                    jobs.insert(job, at: 0)
                }
                func ids(_ filter: JobFilter, _ limit: Int = 9, _ id: JobID? = nil) async throws
                    -> [JobID]
                {
                    try await store.jobs.list(filter, limit: limit, before: id).map(\.id)
                }
                let all = jobs.map(\.id)
                #expect(try await ids(JobFilter()) == all)
                #expect(try await ids(JobFilter(), 2) == Array(all.prefix(2)))
                #expect(try await ids(JobFilter(), 2, all[1]) == [all[2]])
                #expect(try await ids(JobFilter(states: [.queued])) == [all[1], all[2]])
                let upgrades = JobFilter(states: [.queued], operations: [.upgrade])
                #expect(try await ids(upgrades) == [all[2]])
            }
        }
    }

    // MARK: - Idempotency

    @Test("a key that comes again answers with its job, and with another body with none")
    func replay() async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                let first = makeJob(makeRequest())
                let insert = { (job: JobSnapshot, key: IdempotencyKey) in
                    try await store.take(job, key: key, caller: caller, lease: makeLease())
                }
                #expect(try await insert(first, key) == .inserted)
                // The same message again, as after a lost answer.
                #expect(try await insert(first, key) == .inserted)
                let second = makeJob(makeRequest())
                #expect(try await insert(second, key) == .replay(first.id))
                let other = IdempotencyKey(key: key.key, bodyHash: "other")
                #expect(try await insert(second, other) == .mismatch)
                #expect(try await store.jobs.find(second.id) == nil)
                let audits = try await database.psql("SELECT count(*) FROM migrationd.audit")
                #expect(audits.hasPrefix("1"))
                let jobs = try await store.jobs.list(JobFilter(), limit: 9, before: nil)
                #expect(jobs.map(\.id) == [first.id])
            }
        }
    }

    @Test("of requests with one key at the same moment one starts a job")
    func concurrently() async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                for round in 0..<10 {
                    let key = IdempotencyKey(key: "k\(round)", bodyHash: "h")
                    let insertions = try await withThrowingTaskGroup { group in
                        for _ in 0..<4 {
                            group.addTask {
                                try await store.take(
                                    makeJob(makeRequest()), key: key, caller: caller,
                                    lease: makeLease())
                            }
                        }
                        return try await group.reduce(into: [JobTable.Insertion]()) {
                            $0.append($1)
                        }
                    }
                    let replays = insertions.filter { $0 != .inserted }
                    #expect(replays.count == 3)
                    #expect(replays.allSatisfy { $0 == replays[0] })
                }
                let jobs = try await store.jobs.list(JobFilter(), limit: 99, before: nil)
                #expect(jobs.count == 10)
            }
        }
    }

    @Test("a key is forgotten after two days, used again or not")
    func expired() async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                let first = makeJob(makeRequest())
                _ = try await store.take(first, key: key, caller: caller, lease: makeLease())
                let unused = IdempotencyKey(key: "unused", bodyHash: "h")
                _ = try await store.take(
                    makeJob(makeRequest()), key: unused, caller: caller, lease: makeLease())
                try await database.psql(
                    "UPDATE migrationd.idempotency_keys SET created_at = now() - interval '3 days'")
                let second = makeJob(makeRequest())
                let insertion = try await store.take(
                    second, key: key, caller: caller, lease: makeLease())
                #expect(insertion == .inserted)
                let keys = try await database.psql(
                    "SELECT key, job_id FROM migrationd.idempotency_keys")
                #expect(keys == "k'1|\(second.id)" || keys == "k'1|\(second.id)\n")
            }
        }
    }

    // MARK: - Leases

    @Test("a job whose lease has run out is taken over by one daemon, under a new epoch")
    func leases() async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                var jobs: [JobSnapshot] = []
                for index in 0..<6 {
                    let job = makeJob(
                        makeRequest(), state: index == 0 ? .succeeded : .running)
                    _ = try await store.take(job, key: nil, caller: caller, lease: makeLease())
                    jobs.append(job)
                }
                let (one, two) = (makeLease(replica: 1).replica, makeLease(replica: 2).replica)
                let term = Duration.seconds(3600)
                func abandoned(
                    _ replica: String
                ) async throws -> [(JobSnapshot, JobLease)] {
                    try await store.jobs.takeOverAbandoned(
                        by: replica, migrations: "m", leaseDuration: term)
                }
                #expect(try await abandoned(two).isEmpty)
                let ids = jobs.map(\.id)
                let kept = try await store.replicas.heartbeat(
                    of: makeReplica(one), isDraining: false, jobs: ids, leaseDuration: .zero
                ).kept
                #expect(kept == Set(ids))
                let lost = try await store.replicas.heartbeat(
                    of: makeReplica(two), isDraining: false, jobs: ids, leaseDuration: term)
                #expect(lost.kept.isEmpty)

                async let mine = abandoned(one)
                async let theirs = abandoned(two)
                let (first, second) = try await (mine, theirs)
                let taken = (first + second).map(\.0.id)
                #expect(Set(taken) == Set(ids.dropFirst()) && taken.count == 5)
                #expect((first + second).allSatisfy { $0.1.epoch == 2 })
                #expect(first.allSatisfy { $0.1.replica == one })
                // Nobody's lease has run out now.
                #expect(try await abandoned(one).isEmpty)
                let stillTheirs = try await store.replicas.heartbeat(
                    of: makeReplica(two), isDraining: false, jobs: ids, leaseDuration: term)
                #expect(stillTheirs.kept == Set(second.map(\.0.id)))
            }
        }
    }
}
