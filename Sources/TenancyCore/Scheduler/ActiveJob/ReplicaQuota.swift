/// How many of a job's tenants this replica may migrate at once.
///
/// While the replicas agree on their quotas, others may be given what this one does not use at the
/// moment of the question; so until the answer is there it starts no more than it had.
struct ReplicaQuota: Equatable, Sendable {
    private(set) var limit: Int
    /// What may be in flight until the quota that was asked for is known.
    private(set) var inFlightLimit: Int?
    /// Whether a worker waits for that.
    private(set) var isHoldingBack = false

    init(limit: Int) {
        self.limit = limit
    }

    /// Begins a question for the quota while `inFlight` tenants are migrated here.
    mutating func freeze(at inFlight: Int) {
        inFlightLimit = inFlight
    }

    /// A worker found nothing to start because of `inFlightLimit`.
    mutating func holdBack() {
        isHoldingBack = true
    }

    /// Takes in the answer.
    ///
    /// - Returns: whether workers that wait have to look again.
    mutating func grant(_ limit: Int) -> Bool {
        defer { self = ReplicaQuota(limit: limit) }
        return self.limit != limit || isHoldingBack
    }

    /// Whether this replica has less than all of the job's concurrency, or does not know how much.
    func isPartial(of concurrency: Int) -> Bool {
        limit < concurrency || inFlightLimit != nil
    }

    /// How many more targets this replica has a use for, where `ready` wait for a worker already: a
    /// little more than is worked on, so that workers need not wait; little enough that the end of a
    /// job is shared, too.
    func demand(ready: Int) -> Int {
        limit == 0 ? 0 : max(0, max(2 * limit, limit + 1) - ready)
    }
}

/// The workers of a job.
struct WorkerCounts: Equatable, Sendable {
    var total = 0
    /// Those that wait for a target.
    var idle = 0
    /// Those with a target in hand.
    var busy = 0
}
