import TestSupport

@testable import ControlStore
@testable import JobModel
@testable import PostgresClient
@testable import Support
@testable import Tenants

let caller = Caller(name: "ci", requestID: "q-1", peer: "127.0.0.1")

extension TestDatabase {
    /// Runs `body` with a store whose tables are in this database.
    func withStore<R: Sendable>(
        prepared: Bool = true, _ body: (ControlDatabase) async throws -> R
    ) async throws -> R {
        let pool = ConnectionPool(try parameters, limit: 4, connectTimeout: .seconds(10))
        let store = ControlDatabase(pool: pool, schema: try SchemaName("migrationd"))
        if prepared { _ = try await store.prepare() }
        let result = try await body(store)
        await pool.close()
        return result
    }
}

func makeLease(_ epoch: Int64 = 1, replica: Int = 1) -> JobLease {
    JobLease(replica: "00000000-0000-4000-8000-00000000000\(replica)", epoch: epoch)
}

func makeReplica(_ id: String, migrations: String = "m") -> Replica {
    Replica(
        id: id, version: "1.0.0", migrations: migrations,
        startedAt: Timestamp(milliseconds: 1_795_342_530_250))
}

extension ControlDatabase {
    /// Records a job of a daemon with the migrations "m".
    func take(
        _ job: JobSnapshot, key: IdempotencyKey?, caller: Caller, lease: JobLease
    ) async throws(StatusError) -> JobTable.Insertion {
        try await jobs.insert(
            job, key: key, caller: caller, lease: lease, leaseDuration: .seconds(3600),
            migrations: "m")
    }
}

/// Of an upgrade, unless a test is about what a result tells.
extension JobTenantTable {
    func claim(
        _ claims: [TenantClaim], job: JobID, lease: JobLease
    ) async throws(StatusError) -> [String: ClaimedTenant] {
        try await claim(claims, of: makeRequest(), job: job, lease: lease)
    }

    func record(
        _ results: [TenantResult], job: JobID, lease: JobLease
    ) async throws(StatusError) {
        try await record(results, of: makeRequest(), job: job, lease: lease)
    }
}

func makeClaim(
    _ id: String, _ state: TenantState = .pending, from: [String]? = nil, to: [String]? = nil,
    target: Int64? = nil, isOffered: Bool = false
) -> TenantClaim {
    var result = TenantResult(tenantID: id, identifier: id.uppercased(), state: state)
    result.fromRevisions = from
    result.toRevisions = to
    if state.isFinal { result.finishedAt = Timestamp(milliseconds: 1_795_342_530_250) }
    return TenantClaim(result: result, targetKey: target, isOffered: isOffered)
}

/// A result with every member set, and texts that try to be something else.
func makeResult(_ id: String, _ state: TenantState = .failed) -> TenantResult {
    var result = TenantResult(tenantID: id, identifier: "o'\"\\{,}\u{301}", state: state)
    result.fromRevisions = ["a", "b,\"c\""]
    result.toRevisions = []
    result.steps = 2
    result.plannedRevisions = ["x"]
    result.attempts = 3
    result.startedAt = Timestamp(milliseconds: 1_795_342_530_000)
    result.finishedAt = Timestamp(milliseconds: 1_795_342_530_251)
    result.durationMilliseconds = 251
    result.failure = TenantFailure(
        code: .statement(.lockTimeout), message: "it's \"busy\"\n\\", sqlState: "55P03",
        revision: "r2",
        statement: "ALTER TABLE \"t\"", file: "r2.sql", line: 7, isRetryable: true,
        hint: "wait",
        blockedBy: [
            BlockingSession(
                pid: 4_711, query: "SELECT 1", state: "idle", applicationName: nil,
                ageMilliseconds: 90_000)
        ])
    result.lastRetry = TenantFailure(
        code: .unrecognized("of_a_newer_release"), message: "unheard of")
    return result
}

/// A running job of the first of three live replicas, at concurrency 10.
enum SharedJob {
    static let replicas = (1...3).map { makeLease(replica: $0).replica }

    static func with(
        _ body: @Sendable (ControlDatabase, JobID) async throws -> Void
    ) async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore { store in
                var request = makeRequest()
                request.concurrency = 10
                let job = makeJob(request, state: .running)
                _ = try await store.take(job, key: nil, caller: caller, lease: makeLease())
                for replica in replicas { try await heartbeat(replica, store) }
                try await body(store, job.id)
            }
        }
    }

    /// Renews the lease of a replica; it is expired at once when it lasts no time.
    @discardableResult
    static func heartbeat(
        _ replica: String, _ store: ControlDatabase, lasting duration: Duration = .seconds(3600)
    ) async throws -> Heartbeat {
        try await store.replicas.heartbeat(
            of: makeReplica(replica), isDraining: false, jobs: [], leaseDuration: duration)
    }
}
