/// A tenant as far as its job needs to name it.
public struct TenantName: Sendable, Equatable {
    public let id: String
    public let identifier: String

    public init(id: String, identifier: String) {
        self.id = id
        self.identifier = identifier
    }
}

/// One target of a job on its way through the workers: migrated once, reported for each tenant.
public struct TargetWork: Sendable {
    public let target: Target
    public var tenants: [TenantName]
    /// What the set-wise read told; `nil` where it could not, or after an attempt.
    public var state: VersionState?
    /// The rows that the tables have the job start from, so that a daemon that goes on after a crash
    /// counts a relative target from the same place.
    public var plannedFrom: [String]?
    /// Whether the journal may have an unfinished step of the target.
    public var isUnfinished = false
    /// Kept over attempts, so that a plan made once stays the plan.
    var progress: TargetProgress?
    /// How the last attempt ended, for one that is set aside.
    var lastOutcome: TargetOutcome?
    public var attempts = 0
    public var startedAt: Timestamp?

    public init(target: Target, tenants: [TenantName], state: VersionState? = nil) {
        self.target = target
        self.tenants = tenants
        self.state = state
    }
}
