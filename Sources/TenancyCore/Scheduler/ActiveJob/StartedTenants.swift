internal import Engine
internal import JobModel

/// The tenants of a job that have been started and have not ended, as callers of the API see them.
struct StartedTenants: Sendable {
    /// Those with a worker, by id.
    private(set) var running: [String: TenantResult] = [:]
    /// Those that wait for their next attempt, with how the last one ended.
    private var deferred: [String: TenantResult] = [:]

    var all: [String: TenantResult] { running.merging(deferred) { running, _ in running } }

    /// An attempt begins.
    mutating func start(_ work: TargetWork) {
        for tenant in work.tenants {
            var result = TenantResult(
                tenantID: tenant.id, identifier: tenant.identifier, state: .running)
            result.attempts = work.attempts
            result.startedAt = work.startedAt
            result.fromRevisions = work.progress?.from ?? work.state?.revisions
            result.failure = work.lastOutcome?.failure
            running[tenant.id] = result
            deferred[tenant.id] = nil
        }
    }

    /// Shows how far a statement is that one of the tenants waits for.
    mutating func update(_ progress: StatementProgress?, of ids: [String]) {
        for id in ids { running[id]?.progress = progress }
    }

    /// An attempt has failed, and there will be another.
    mutating func markDeferred(_ work: TargetWork, after outcome: TargetOutcome) {
        for tenant in work.tenants {
            var result = running.removeValue(forKey: tenant.id)
            result?.state = .pending
            result?.attempts = work.attempts
            result?.failure = outcome.failure
            deferred[tenant.id] = result
        }
    }

    /// An attempt does not count, and nothing of it is shown.
    mutating func revert(_ work: TargetWork) {
        for tenant in work.tenants { running[tenant.id] = nil }
    }

    /// - Returns: whether the tenant was running.
    mutating func end(_ id: String) -> Bool {
        deferred[id] = nil
        return running.removeValue(forKey: id) != nil
    }
}
