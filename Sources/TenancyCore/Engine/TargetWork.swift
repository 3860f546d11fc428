package import Support
package import Tenants

/// A tenant as far as its job needs to name it.
package struct TenantName: Sendable, Equatable {
    package let id: String
    package let identifier: String

    package init(id: String, identifier: String) {
        self.id = id
        self.identifier = identifier
    }
}

/// One target of a job on its way through the workers: migrated once, reported for each tenant.
package struct TargetWork: Sendable {
    package let target: Target
    package var tenants: [TenantName]
    /// The state that was read in a batch; `nil` where that failed, or after an attempt.
    package var state: VersionState?
    /// The rows that the tables have the job start from, so that a daemon that resumes the job after a crash
    /// counts a relative target from the same place.
    package var plannedFrom: [String]?
    /// Whether the journal may have an unfinished step of the target.
    package var isUnfinished = false
    /// Kept over attempts, so that a plan made once stays the plan.
    package var progress: TargetProgress?
    /// How the last attempt ended, for one that is deferred.
    package var lastOutcome: TargetOutcome?
    package var attempts = 0
    package var startedAt: Timestamp?

    package init(target: Target, tenants: [TenantName], state: VersionState? = nil) {
        self.target = target
        self.tenants = tenants
        self.state = state
    }
}
