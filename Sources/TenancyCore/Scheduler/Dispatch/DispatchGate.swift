internal import JobModel

/// Whether a worker may begin with a tenant of the job now, and what holds the job if not.
///
/// Pure: the answer follows from the fields alone. A canary, a window or a brake is one more field and one
/// more reason.
struct DispatchGate: Equatable {
    enum Answer: Equatable {
        case open
        /// Nothing starts until one of these is over.
        case held([JobHold.Reason])
        /// Nothing will start any more, or there are workers enough without this one.
        case closed
    }

    /// Results in memory beyond which nothing starts.
    static let unrecordedLimit = 5_000

    /// Whether the job ends, here or everywhere, or nothing is left of it.
    var isEnding = false
    var isPaused = false
    var isLeaseInDoubt = false
    /// Results that wait for the tables.
    var unrecorded = 0
    /// Workers of the job, and how many there may be.
    var workers = 1
    var limit = 1
    /// Workers with a target in hand.
    var busyWorkers = 0
    /// What may be in hand until the replicas have agreed; `nil` once they have.
    var quota: Int?
    /// Whether all that waits was deferred because its servers cannot be connected to.
    var isServerUnavailable = false

    var answer: Answer {
        if isEnding || workers > limit { return .closed }
        // Deferred targets come due by themselves: one of them finds out when its server is back.
        let stopping = holds.filter { $0 != .serverUnavailable }
        return stopping.isEmpty ? .open : .held(stopping)
    }

    /// Every reason there is, not only the first.
    var holds: [JobHold.Reason] {
        var holds: [JobHold.Reason] = []
        if isPaused { holds.append(.paused) }
        if isLeaseInDoubt || unrecorded > DispatchGate.unrecordedLimit {
            holds.append(.controlDatabase)
        }
        if let quota, busyWorkers >= quota { holds.append(.replicaQuota) }
        if isServerUnavailable { holds.append(.serverUnavailable) }
        return holds
    }
}
