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
        prepared: Bool = true, _ body: (StatusStore) async throws -> R
    ) async throws -> R {
        let pool = ConnectionPool(try parameters, limit: 4, connectTimeout: .seconds(10))
        let store = StatusStore(pool: pool, schema: try SchemaName("migrationd"))
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

extension StatusStore {
    /// Records a job of a daemon with the migrations "m".
    func take(
        _ job: JobSnapshot, key: IdempotencyKey?, caller: Caller, lease: JobLease
    ) async throws(StatusError) -> Insertion {
        try await insert(
            job, key: key, caller: caller, lease: lease, term: .seconds(3600), migrations: "m")
    }
}

/// Of an upgrade, unless a test is about what a result tells.
extension StatusStore {
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
