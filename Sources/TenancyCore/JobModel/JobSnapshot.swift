package import Support

/// Where a job stands. `succeeded`, `failed` and `cancelled` are final.
package enum JobState: String, Sendable, CaseIterable {
    /// Waits for one of `scheduler.max_running_jobs` places.
    case queued
    case running
    /// No further tenant starts until it is resumed.
    case paused
    /// No further tenant starts; those running end or are rolled back.
    case cancelling
    case succeeded, failed, cancelled

    package var isFinal: Bool {
        switch self {
        case .succeeded, .failed, .cancelled: true
        case .queued, .running, .paused, .cancelling: false
        }
    }
}

/// How many of a job's tenants are in each state; the six always add up to `total`.
package struct JobCounts: Sendable, Equatable {
    package var pending = 0
    package var running = 0
    package var succeeded = 0
    package var skipped = 0
    package var failed = 0
    package var cancelled = 0

    package init() {}

    package var total: Int { pending + running + ended }

    /// Tenants in a final state.
    package var ended: Int { succeeded + skipped + failed + cancelled }
}

/// One of the first failures of a job, shown with the job itself.
package struct JobFailureNote: Sendable, Equatable {
    package let tenantID: String
    package let identifier: String
    package let error: String

    package init(tenantID: String, identifier: String, error: String) {
        self.tenantID = tenantID
        self.identifier = identifier
        self.error = error
    }
}

/// A job as it stood at one moment.
package struct JobSnapshot: Sendable, Equatable {
    /// The `stateReason` of a job that the control database has lost.
    package static let controlDatabaseRecreated = "control_database_recreated"

    package var id: JobID
    package var request: JobRequest
    /// The revisions that the target stands for, where that is known without a tenant.
    package var resolvedTarget: [String]?
    package var state: JobState
    package var stateReason: String?
    package var createdBy: String
    package var createdAt: Timestamp
    package var startedAt: Timestamp?
    package var finishedAt: Timestamp?
    package var counts: JobCounts
    /// At most ten.
    package var firstErrors: [JobFailureNote]
    /// Why no further tenant starts; empty when nothing holds the job.
    package var holds: [JobHold]
    /// Grows with every change of anything above; what `?version=` and the ETag speak of.
    package var version: Int
    /// The job whose failed and cancelled tenants this one tries again.
    package var retryOf: JobID?

    package init(
        id: JobID, request: JobRequest, resolvedTarget: [String]?, state: JobState,
        createdBy: String, createdAt: Timestamp, retryOf: JobID? = nil
    ) {
        self.id = id
        self.request = request
        self.resolvedTarget = resolvedTarget
        self.state = state
        self.stateReason = nil
        self.createdBy = createdBy
        self.createdAt = createdAt
        self.startedAt = nil
        self.finishedAt = nil
        self.counts = JobCounts()
        self.firstErrors = []
        self.holds = []
        self.version = 1
        self.retryOf = retryOf
    }

    /// The share of the tenants that have ended, 0 to 1; a finished job without tenants is at 1.
    package var progress: Double {
        if counts.total == 0 { return state.isFinal ? 1 : 0 }
        return Double(counts.ended) / Double(counts.total)
    }

    /// Tenants ended a second since the start, up to `now` or the job's end; `nil` before the start.
    package func tenantsPerSecond(now: Timestamp) -> Double? {
        guard let startedAt else { return nil }
        let elapsed = (finishedAt ?? now).milliseconds(since: startedAt)
        return Double(counts.ended) * 1_000 / Double(max(elapsed, 1))
    }

    /// Milliseconds until the last tenant ends at the rate so far; `nil` when there is no rate yet.
    package func etaMilliseconds(now: Timestamp) -> Int? {
        guard state == .running, let rate = tenantsPerSecond(now: now), rate > 0 else { return nil }
        return Int(Double(counts.pending + counts.running) / rate * 1_000)
    }
}
