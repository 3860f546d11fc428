/// Where a job stands. `succeeded`, `failed` and `cancelled` are final.
public enum JobState: String, Sendable, CaseIterable {
    /// Waits for one of `scheduler.max_running_jobs` places.
    case queued
    case running
    /// No further tenant starts until it is resumed.
    case paused
    /// No further tenant starts; those running end or are rolled back.
    case cancelling
    case succeeded, failed, cancelled

    public var isFinal: Bool {
        switch self {
        case .succeeded, .failed, .cancelled: true
        case .queued, .running, .paused, .cancelling: false
        }
    }
}

/// How many of a job's tenants are in each state; the six always add up to `total`.
public struct JobCounts: Sendable, Equatable {
    public var pending = 0
    public var running = 0
    public var succeeded = 0
    public var skipped = 0
    public var failed = 0
    public var cancelled = 0

    public init() {}

    public var total: Int { pending + running + ended }

    /// Tenants in a final state.
    public var ended: Int { succeeded + skipped + failed + cancelled }
}

/// One of the first failures of a job, shown with the job itself.
public struct JobFailureNote: Sendable, Equatable {
    public let tenantID: String
    public let identifier: String
    public let error: String

    public init(tenantID: String, identifier: String, error: String) {
        self.tenantID = tenantID
        self.identifier = identifier
        self.error = error
    }
}

/// A job as it stood at one moment.
public struct JobSnapshot: Sendable, Equatable {
    public var id: JobID
    public var request: JobRequest
    /// The revisions that the target stands for, where that is known without a tenant.
    public var resolvedTarget: [String]?
    public var state: JobState
    public var stateReason: String?
    public var createdBy: String
    public var createdAt: Timestamp
    public var startedAt: Timestamp?
    public var finishedAt: Timestamp?
    public var counts: JobCounts
    /// At most ten.
    public var firstErrors: [JobFailureNote]
    /// Grows with every change of anything above; what `?version=` and the ETag speak of.
    public var version: Int
    /// The job whose failed and cancelled tenants this one tries again.
    public var retryOf: JobID?

    public init(
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
        self.version = 1
        self.retryOf = retryOf
    }

    /// The share of the tenants that have ended, 0 to 1; a finished job without tenants is at 1.
    public var progress: Double {
        if counts.total == 0 { return state.isFinal ? 1 : 0 }
        return Double(counts.ended) / Double(counts.total)
    }

    /// Tenants ended a second since the start, up to `now` or the job's end; `nil` before the start.
    public func tenantsPerSecond(now: Timestamp) -> Double? {
        guard let startedAt else { return nil }
        let elapsed = (finishedAt ?? now).milliseconds(since: startedAt)
        return Double(counts.ended) * 1_000 / Double(max(elapsed, 1))
    }

    /// Milliseconds until the last tenant ends at the rate so far; `nil` when there is no rate yet.
    public func etaMilliseconds(now: Timestamp) -> Int? {
        guard state == .running, let rate = tenantsPerSecond(now: now), rate > 0 else { return nil }
        return Int(Double(counts.pending + counts.running) / rate * 1_000)
    }
}
