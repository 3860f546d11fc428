import TestSupport
import Testing

@testable import ControlStore
@testable import Engine
@testable import JobModel
@testable import Support

@Suite(.timeLimit(.minutes(5))) struct JobTenantTableTests {
    private func withJob(
        _ body: (ControlDatabase, JobID, TestDatabase) async throws -> Void
    ) async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                let job = makeJob(makeRequest())
                _ = try await store.take(job, key: nil, caller: caller, lease: makeLease())
                try await body(store, job.id, database)
            }
        }
    }

    /// Gives the job to a later lease.
    private func take(_ job: JobID, _ epoch: Int, _ database: TestDatabase) async throws {
        try await database.psql(
            "UPDATE migrationd.jobs SET lease_epoch = \(epoch) WHERE id = '\(job)'")
    }

    // MARK: - Claims

    @Test("a claim that is sent again answers the same, and a newer lease takes what is open")
    func claims() async throws {
        try await withJob { store, job, database in
            let claims = [
                makeClaim("a", from: ["r1"], target: 1),
                makeClaim("b", .skipped, from: ["r3"], to: ["r3"]),
                makeClaim("c"),
            ]
            let first = try await store.jobTenants.claim(claims, job: job, lease: makeLease(1))
            #expect(
                first == [
                    "a": ClaimedTenant(state: .pending, fromRevisions: ["r1"]),
                    "b": ClaimedTenant(state: .skipped, fromRevisions: ["r3"]),
                    "c": ClaimedTenant(state: .pending, fromRevisions: nil),
                ])
            #expect(
                try await store.jobTenants.claim(claims, job: job, lease: makeLease(1)) == first)
            #expect(try await store.jobTenants.unseen(["a", "x", "c"], job: job) == ["x"])

            let later = [
                makeClaim("a", .skipped, from: ["r3"], to: ["r3"], target: 1),
                makeClaim("b", from: ["r3"]), makeClaim("c", from: ["r2"]), makeClaim("d"),
            ]
            #expect(try await store.jobTenants.claim(later, job: job, lease: makeLease(2)) == [:])
            try await take(job, 2, database)
            let second = try await store.jobTenants.claim(later, job: job, lease: makeLease(2))
            #expect(
                second == [
                    // Moved to its target by the lease before, which died before it could say so.
                    "a": ClaimedTenant(state: .succeeded, fromRevisions: ["r1"]),
                    "c": ClaimedTenant(state: .pending, fromRevisions: ["r2"]),
                    "d": ClaimedTenant(state: .pending, fromRevisions: nil),
                ])
            // The older lease gets nothing any more.
            #expect(try await store.jobTenants.claim(claims, job: job, lease: makeLease(1)) == [:])
            #expect(try await store.jobTenants.claim([], job: job, lease: makeLease(2)) == [:])
        }
    }

    @Test("a start is noted under the lease in force, and refused to another")
    func noteStart() async throws {
        try await withJob { store, job, database in
            _ = try await store.jobTenants.claim(
                [makeClaim("a"), makeClaim("b")], job: job, lease: makeLease(1))
            try await store.jobTenants.recordStart(
                of: ["a", "b"], from: ["r2", "x"], job: job, lease: makeLease(1))
            try await take(job, 2, database)
            await #expect(throws: StatusError.leaseLost) {
                try await store.jobTenants.recordStart(
                    of: ["b"], from: ["r1"], job: job, lease: makeLease(1))
            }
            let claimed = try await store.jobTenants.claim(
                [makeClaim("a")], job: job, lease: makeLease(2))
            #expect(claimed["a"]?.fromRevisions == ["r2", "x"])
            // Of two tenants only one is this lease's.
            await #expect(throws: StatusError.leaseLost) {
                try await store.jobTenants.recordStart(
                    of: ["a", "b"], from: ["r1"], job: job, lease: makeLease(2))
            }
        }
    }

    @Test("tenants that no lease claims again end, the same ones when asked again")
    func leftovers() async throws {
        try await withJob { store, job, database in
            let claims = ["a", "b", "c"].map { makeClaim($0) }
            _ = try await store.jobTenants.claim(claims, job: job, lease: makeLease(1))
            try await take(job, 2, database)
            _ = try await store.jobTenants.claim([makeClaim("b")], job: job, lease: makeLease(2))
            let failure = TenantFailure(code: .job(.tenantGone), message: "gone")
            for _ in 0..<2 {
                let ended = try await store.jobTenants.endUnclaimed(
                    failure, job: job, lease: makeLease(2))
                #expect(ended.map(\.tenantID).sorted() == ["a", "c"])
                #expect(ended.allSatisfy { $0.state == .failed && $0.failure == failure })
            }
            let states = try await store.jobTenants.results(
                of: job, states: [.pending], limit: 9, after: nil)
            #expect(states.map(\.tenantID) == ["b"])
        }
    }

    // MARK: - Events

    @Test("results are numbered in the order in which they were recorded, each of them once")
    func events() async throws {
        try await withJob { store, job, database in
            let claims = [makeClaim("a"), makeClaim("b", .skipped), makeClaim("c"), makeClaim("d")]
            for _ in 0..<2 {
                _ = try await store.jobTenants.claim(claims, job: job, lease: makeLease(1))
            }
            try await store.jobTenants.record([makeResult("d")], job: job, lease: makeLease(1))
            try await store.jobTenants.record(
                [makeResult("d"), makeResult("a")], job: job, lease: makeLease(1))
            try await store.jobTenants.record([makeResult("c")], job: job, lease: makeLease(7))
            var events = try await store.jobTenants.events(of: job, after: 0, limit: 9)
            #expect(events.map(\.result.tenantID) == ["b", "d", "a"])
            #expect(events.map(\.number) == events.map(\.number).sorted())
            let second = events[1].number
            #expect(
                try await store.jobTenants.events(of: job, after: second, limit: 9) == [events[2]])
            #expect(
                try await store.jobTenants.events(of: job, after: 0, limit: 2)
                    == Array(events.prefix(2)))

            try await take(job, 2, database)
            let failure = TenantFailure(code: .job(.tenantGone), message: "gone")
            for _ in 0..<2 {
                _ = try await store.jobTenants.endUnclaimed(failure, job: job, lease: makeLease(2))
            }
            events = try await store.jobTenants.events(of: job, after: events[2].number, limit: 9)
            #expect(events.map(\.result.tenantID) == ["c"])
        }
    }

    @Test("two writers of one job never show a later event before an earlier one")
    func eventOrder() async throws {
        try await withJob { store, job, _ in
            let reader = Task {
                var (seen, last) = ([Int64](), Int64(0))
                while seen.count < 200 && !Task.isCancelled {
                    let events = try await store.jobTenants.events(of: job, after: last, limit: 50)
                    seen += events.map(\.number)
                    last = seen.last ?? 0
                }
                return seen.count
            }
            try await withThrowingTaskGroup { group in
                for writer in 0..<2 {
                    group.addTask {
                        for page in 0..<20 {
                            let claims = (0..<5).map {
                                makeClaim("w\(writer)-\(page)-\($0)", .skipped)
                            }
                            _ = try await store.jobTenants.claim(
                                claims, job: job, lease: makeLease(1))
                        }
                    }
                }
                try await group.waitForAll()
            }
            // Whoever resumed after the newest number has missed none.
            #expect(try await reader.value == 200)
        }
    }

    // MARK: - Results

    @Test("a result is read as it was written, and a lost lease's is ignored")
    func results() async throws {
        try await withJob { store, job, database in
            let ids = ["B", "a", "b", "é"]
            _ = try await store.jobTenants.claim(
                ids.map { makeClaim($0, target: 5) }, job: job, lease: makeLease(1))
            let results = [makeResult("b"), makeResult("a", .succeeded)]
            try await store.jobTenants.record(results, job: job, lease: makeLease(1))
            try await store.jobTenants.record(results, job: job, lease: makeLease(1))
            try await store.jobTenants.record([makeResult("B")], job: job, lease: makeLease(7))
            try await take(job, 2, database)
            try await store.jobTenants.record([makeResult("B")], job: job, lease: makeLease(1))
            var read = try await store.jobTenants.results(of: job, states: [], limit: 9, after: nil)
            // The order of the table's "C" collation.
            #expect(read.map(\.tenantID) == ids)
            #expect(read[0].state == .pending)
            // The identifier is the registry's, as it was claimed.
            for index in read.indices { read[index].identifier = results[0].identifier }
            #expect(Array(read[1...2]) == [results[1], results[0]])
            let failed = try await store.jobTenants.results(
                of: job, states: [.failed], limit: 9, after: "a")
            #expect(failed.map(\.tenantID) == ["b"])
            let open = try await store.jobTenants.tenantIDs(
                of: job, states: [.pending, .failed], limit: 2, after: nil)
            #expect(open == ["B", "b"])
            #expect(try await store.jobTenants.ended(onTarget: 5, job: job)?.state.isFinal == true)
            #expect(try await store.jobTenants.ended(onTarget: 6, job: job) == nil)
            let (keys, counts, _) = try await store.jobTenants.endedTargets(of: job)
            #expect(Set(keys) == [5])
            #expect(counts.failed == 1 && counts.succeeded == 1 && counts.total == 2)
        }
    }

    @Test("what is known of a tenant outlives a job that learned nothing")
    func statuses() async throws {
        try await withJob { store, job, _ in
            let name = TenantName(id: "t'", identifier: "acme")
            let moment = Timestamp(milliseconds: 1_795_342_530_250)
            try await store.tenantStatus.recordReading(
                of: name, revisions: ["r1", "x\"y"], at: moment)
            var known = try await store.tenantStatus.find(["t'", "other"])
            #expect(known.keys.sorted() == ["t'"])
            #expect(known["t'"]?.revisions == ["r1", "x\"y"])
            #expect(known["t'"]?.readAt == moment && known["t'"]?.last.migration == nil)
            #expect(
                known["t'"]?.last.reading
                    == LastResult(job: nil, operation: nil, state: .succeeded, finishedAt: moment))

            _ = try await store.jobTenants.claim([makeClaim("t'")], job: job, lease: makeLease())
            var result = makeResult("t'")
            result.toRevisions = nil
            try await store.jobTenants.record([result], job: job, lease: makeLease())
            known = try await store.tenantStatus.find(["t'"])
            #expect(known["t'"]?.revisions == ["r1", "x\"y"] && known["t'"]?.readAt == moment)
            #expect(
                known["t'"]?.last.migration
                    == LastResult(
                        job: job, operation: .upgrade, state: .failed,
                        error: result.failure?.message,
                        finishedAt: try #require(result.finishedAt)))
            #expect(known["t'"]?.last.reading?.finishedAt == moment)

            result.toRevisions = []
            try await store.jobTenants.record([result], job: job, lease: makeLease())
            known = try await store.tenantStatus.find(["t'"])
            // Base is something known; never read is something else.
            #expect(known["t'"]?.revisions == [] && known["t'"]?.readAt == result.finishedAt)
        }
    }

    @Test(
        "a check and a dry run leave the last migration as it was, and it them",
        arguments: [makeRequest(.check, target: "heads"), makeRequest(dryRun: .plan)])
    func readings(request: JobRequest) async throws {
        try await withJob { store, migration, _ in
            let check = makeJob(request)
            _ = try await store.take(check, key: nil, caller: caller, lease: makeLease())
            _ = try await store.jobTenants.claim(
                [makeClaim("a")], job: migration, lease: makeLease())
            try await store.jobTenants.record([makeResult("a")], job: migration, lease: makeLease())
            let failed = try await store.tenantStatus.find(["a"])["a"]
            // The pager ends what needs no worker as it claims it.
            let read = makeClaim("a", .succeeded, from: ["r1"], to: ["r1"])
            _ = try await store.jobTenants.claim(
                [read], of: request, job: check.id, lease: makeLease())
            var known = try await store.tenantStatus.find(["a"])["a"]
            #expect(known?.last.migration != nil)
            #expect(known?.last.migration == failed?.last.migration)
            #expect(known?.revisions == ["r1"])
            let reading = LastResult(
                job: check.id, operation: request.operation, state: .succeeded,
                finishedAt: try #require(read.result.finishedAt))
            #expect(known?.last.reading == reading)
            #expect(try await store.tenantStatus.suspectedFailures(limit: 9, after: nil) == ["a"])

            // So does one that is cancelled; a success counts.
            let again = makeJob(makeRequest())
            _ = try await store.take(again, key: nil, caller: caller, lease: makeLease())
            _ = try await store.jobTenants.claim(
                [makeClaim("a")], job: again.id, lease: makeLease())
            try await store.jobTenants.record(
                [makeResult("a", .cancelled)], job: again.id, lease: makeLease())
            known = try await store.tenantStatus.find(["a"])["a"]
            #expect(known?.last.migration == failed?.last.migration)
            try await store.jobTenants.record(
                [makeResult("a", .succeeded)], job: again.id, lease: makeLease())
            known = try await store.tenantStatus.find(["a"])["a"]
            #expect(known?.last.migration?.state == .succeeded)
            #expect(known?.last.migration?.job == again.id && known?.last.reading == reading)
            #expect(try await store.tenantStatus.suspectedFailures(limit: 9, after: nil) == [])
        }
    }

    @Test("a tenant's history is newest first, over all jobs, page by page")
    func history() async throws {
        try await withJob { store, first, _ in
            let second = makeJob(
                makeRequest(.downgrade, target: "-1"),
                at: Timestamp(milliseconds: 1_900_000_000_000))
            _ = try await store.take(second, key: nil, caller: caller, lease: makeLease())
            for job in [first, second.id] {
                _ = try await store.jobTenants.claim(
                    [makeClaim("a", .skipped), makeClaim("b")], job: job, lease: makeLease())
            }
            let entries = try await store.jobTenants.history(of: "a", limit: 9, before: nil)
            #expect(entries.map(\.job) == [second.id, first])
            #expect(entries[0].operation == .downgrade && entries[0].target == "-1")
            #expect(entries[0].result.state == .skipped && entries[0].dryRun == .none)
            let rest = try await store.jobTenants.history(of: "a", limit: 9, before: second.id)
            #expect(rest.map(\.job) == [first])
            #expect(try await store.jobTenants.history(of: "a", limit: 1, before: nil).count == 1)
            #expect(try await store.jobTenants.history(of: "nobody", limit: 9, before: nil).isEmpty)
        }
    }

    @Test("who controlled a job is noted")
    func audit() async throws {
        try await withJob { store, job, database in
            try await store.jobs.audit("job.pause", job: job, caller: caller)
            let rows = try await database.psql(
                "SELECT actor, action, job_id, request_id, peer FROM migrationd.audit ORDER BY id")
            #expect(
                rows.split(separator: "\n") == [
                    "ci|job.create|\(job)|q-1|127.0.0.1", "ci|job.pause|\(job)|q-1|127.0.0.1",
                ])
        }
    }

    @Test("recorders of two jobs over the same tenants do not stop one another")
    func concurrentRecorders() async throws {
        try await withJob { store, first, _ in
            let second = makeJob(makeRequest())
            _ = try await store.take(second, key: nil, caller: caller, lease: makeLease())
            let ids = (0..<200).map { "t\($0)" }
            for job in [first, second.id] {
                _ = try await store.jobTenants.claim(
                    ids.map { makeClaim($0) }, job: job, lease: makeLease())
            }
            try await withThrowingTaskGroup { group in
                for (job, ids) in [(first, ids), (second.id, ids.reversed())] {
                    group.addTask {
                        for _ in 0..<5 {
                            try await store.jobTenants.record(
                                ids.map { makeResult($0) }, job: job, lease: makeLease())
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await store.tenantStatus.find(ids).count == 200)
        }
    }
}
