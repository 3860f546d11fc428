internal import JobModel

/// How many of a job's tenants are in each state.
///
/// Tenants enter by `expect`, `resume` and `admit`, and from then on only move: pending, running,
/// ended. Nothing else changes a number, so the six states always add up to the total.
struct JobTally: Equatable, Sendable {
    /// Tenants that a page has brought.
    private var paged: JobCounts
    /// Tenants that the registry counted and that no page has brought yet.
    private var unpaged = 0

    init(_ counts: JobCounts = JobCounts()) {
        paged = counts
    }

    /// The job's numbers; tenants whose page has not come yet are pending.
    var counts: JobCounts { counts(runningElsewhere: 0) }

    var failed: Int { paged.failed }

    /// Whether any page has brought a tenant.
    var hasPagedTenants: Bool { paged.total > 0 }

    /// The job's numbers, with tenants shown as running that other replicas are migrating.
    func counts(runningElsewhere: Int) -> JobCounts {
        var counts = paged
        counts.move(min(runningElsewhere, paged.pending), from: .pending, to: .running)
        counts.pending += unpaged
        return counts
    }

    // MARK: - Entering

    /// Takes in how many tenants the registry counts. Those that an earlier lease had selected stay
    /// counted until their pages have come, or it is known that they have gone.
    mutating func expect(total: Int) {
        unpaged = max(unpaged, total - paged.total)
    }

    /// Replaces the numbers by those of the tenants that had ended under an earlier lease. The others
    /// that it had selected are pending: their pages are read again.
    mutating func resume(from ended: JobCounts) {
        unpaged = max(0, paged.total - ended.total)
        paged = ended
    }

    /// Counts tenants that a page has brought, or that another replica has ended before theirs came.
    mutating func admit(_ count: Int, as state: TenantState = .pending) {
        unpaged = max(0, unpaged - count)
        paged.add(count, to: state)
    }

    /// Drops tenants that were expected and that no page has brought.
    mutating func finishPaging() {
        unpaged = 0
    }

    // MARK: - Moving

    mutating func start(_ count: Int) {
        paged.move(count, from: .pending, to: .running)
    }

    /// Tenants whose attempt has ended and that are to have another one.
    mutating func requeue(_ count: Int) {
        paged.move(count, from: .running, to: .pending)
    }

    mutating func end(_ count: Int = 1, as state: TenantState, wasRunning: Bool) {
        paged.move(count, from: wasRunning ? .running : .pending, to: state)
    }
}
