import TestSupport

@testable import Engine
@testable import JobModel
@testable import PostgresClient
@testable import Support
@testable import Tenants

/// The target `schema` of the database `database`, which nobody connects to.
func makeTarget(_ schema: Int, in database: Int = 0) throws -> Target {
    Target(
        connection: try ConnectionString.parse(Secret("postgresql://h/db\(database)")),
        schema: try SchemaName("tenant_\(schema)"))
}

func makeWork(_ work: Int, in database: Int = 0, tenants: [String]? = nil) throws -> TargetWork {
    TargetWork(
        target: try makeTarget(work, in: database),
        tenants: (tenants ?? ["t\(work)"]).map { TenantName(id: $0, identifier: $0) })
}

func makeRequest(
    _ operation: JobOperation = .upgrade, target: String = "head",
    tenants: TenantSelection = TenantSelection(), concurrency: Int = 4, pageSize: Int = 7,
    lockTimeout: Int = 1_000, maxAttempts: Int = 3, dryRun: DryRun = .none
) -> JobRequest {
    JobRequest(
        operation: operation, target: target, tenants: tenants, concurrency: concurrency,
        pageSize: pageSize, lockTimeoutMilliseconds: lockTimeout, statementTimeoutMilliseconds: 0,
        maxAttempts: maxAttempts, dryRun: dryRun)
}

func makeJob(
    _ request: JobRequest, at moment: Timestamp = Timestamp(milliseconds: 1_795_342_530_250),
    state: JobState = .queued
) -> JobSnapshot {
    var random = SystemRandomNumberGenerator()
    return JobSnapshot(
        id: .make(now: moment, random: &random), request: request, resolvedTarget: ["r3"],
        state: state, createdBy: "test", createdAt: moment)
}
