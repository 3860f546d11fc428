extension JobCounts {
    /// Counts tenants that are new to the job.
    package mutating func add(_ count: Int, to state: TenantState) {
        switch state {
        case .pending: pending += count
        case .running: running += count
        case .succeeded: succeeded += count
        case .skipped: skipped += count
        case .failed: failed += count
        case .cancelled: cancelled += count
        }
    }

    /// Moves tenants from one state to another.
    package mutating func move(_ count: Int, from: TenantState, to: TenantState) {
        add(-count, to: from)
        add(count, to: to)
    }
}
