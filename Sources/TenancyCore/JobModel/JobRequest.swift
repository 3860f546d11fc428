package import Revisions
package import Support
package import Tenants

/// What a job does to each of its tenants.
package enum JobOperation: String, Sendable, CaseIterable {
    case upgrade, downgrade
    /// Writes the version rows without running anything.
    case stamp
    /// Reads every tenant's revision and changes nothing.
    case check

    /// What the operation asks of the graph; `check` compares with what an upgrade would do.
    package var revisionOperation: RevisionOperation {
        switch self {
        case .upgrade, .check: .upgrade
        case .downgrade: .downgrade
        case .stamp: .stamp
        }
    }

    /// Whether a job changes its tenants, or only reads them.
    package func changesTenants(_ dryRun: DryRun) -> Bool { self != .check && dryRun == .none }

    /// The target when the caller names none; `check` compares with the heads.
    package var defaultTarget: String {
        switch self {
        case .upgrade, .stamp: "head"
        case .downgrade: "-1"
        case .check: "heads"
        }
    }
}

/// How much of a job is only pretended.
package enum DryRun: String, Sendable, CaseIterable {
    case none
    /// Resolves and reports every tenant's steps and touches nothing.
    case plan
}

/// Which tenants a job is for; the members that are set are all demanded.
package struct TenantSelection: Sendable, Equatable {
    /// Tenant ids or identifiers.
    package var ids: [String]?
    /// A glob on the identifier: `*` any run of characters, `?` one.
    package var match: Glob?
    /// Lifecycle statuses; by default the active tenants only.
    package var status: [String]
    /// An isolation (`schema`, `database`, `rls`) that the tenant's placement resolves to.
    package var isolation: Isolation?
    /// Members that the tenant's metadata must hold with exactly these values.
    package var metadata: JSONObject?
    /// Leaves out tenants whose last known revision is already the target's.
    package var behindOnly: Bool
    /// At most this many tenants, the first in registry order.
    package var limit: Int?

    package init(
        ids: [String]? = nil, match: Glob? = nil, status: [String] = ["active"],
        isolation: Isolation? = nil, metadata: JSONObject? = nil, behindOnly: Bool = false,
        limit: Int? = nil
    ) {
        self.ids = ids
        self.match = match
        self.status = status
        self.isolation = isolation
        self.metadata = metadata
        self.behindOnly = behindOnly
        self.limit = limit
    }
}

/// A request for a fleet job, complete: every default is filled in.
package struct JobRequest: Sendable, Equatable {
    package var operation: JobOperation
    /// Anything that Alembic accepts for the operation.
    package var target: String
    package var tenants: TenantSelection
    /// Tenants migrated at once, 1 to 1,000.
    package var concurrency: Int
    /// Registry rows read at once, 1 to 1,000.
    package var pageSize: Int
    /// Milliseconds that a statement waits for a lock; 0 waits without end.
    package var lockTimeoutMilliseconds: Int
    /// Milliseconds that one statement may run; 0 sets no bound.
    package var statementTimeoutMilliseconds: Int
    /// Attempts at a tenant whose failure is transient, 1 to 100.
    package var maxAttempts: Int
    package var dryRun: DryRun
    /// Whether a selection that matches no tenant is a success; otherwise it is a mistake.
    package var allowEmpty: Bool
    package var comment: String?

    package init(
        operation: JobOperation, target: String, tenants: TenantSelection, concurrency: Int,
        pageSize: Int, lockTimeoutMilliseconds: Int, statementTimeoutMilliseconds: Int,
        maxAttempts: Int, dryRun: DryRun = .none, allowEmpty: Bool = false, comment: String? = nil
    ) {
        self.operation = operation
        self.target = target
        self.tenants = tenants
        self.concurrency = concurrency
        self.pageSize = pageSize
        self.lockTimeoutMilliseconds = lockTimeoutMilliseconds
        self.statementTimeoutMilliseconds = statementTimeoutMilliseconds
        self.maxAttempts = maxAttempts
        self.dryRun = dryRun
        self.allowEmpty = allowEmpty
        self.comment = comment
    }

    /// Whether the job changes its tenants, or only reads them.
    package var changesTenants: Bool { operation.changesTenants(dryRun) }
}
