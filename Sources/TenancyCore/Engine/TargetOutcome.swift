package import JobModel

/// How one attempt on a target ended.
package struct TargetOutcome: Sendable, Equatable {
    /// `succeeded`, `skipped`, `failed` or `cancelled`.
    package var state: TenantState
    /// The version rows before the job touched the target; `nil` while unknown.
    package var fromRevisions: [String]?
    /// The version rows now; `nil` while unknown.
    package var toRevisions: [String]?
    /// Steps applied.
    package var steps: Int
    /// What a dry run would apply.
    package var plannedRevisions: [String]?
    package var failure: TenantFailure?
    /// What an operator should know of the target although its steps succeeded.
    package var warnings: [String] = []
    /// Whether the target only waits for its turn, so that the attempt does not count.
    package var isPostponed = false

    package init(
        state: TenantState, fromRevisions: [String]? = nil, toRevisions: [String]? = nil,
        steps: Int = 0, plannedRevisions: [String]? = nil, failure: TenantFailure? = nil
    ) {
        self.state = state
        self.fromRevisions = fromRevisions
        self.toRevisions = toRevisions
        self.steps = steps
        self.plannedRevisions = plannedRevisions
        self.failure = failure
    }

    /// Failed before anything was touched, with the rows that were read.
    package static func failed(_ failure: TenantFailure, rows: [String]? = nil) -> TargetOutcome {
        TargetOutcome(state: .failed, fromRevisions: rows, toRevisions: rows, failure: failure)
    }
}
