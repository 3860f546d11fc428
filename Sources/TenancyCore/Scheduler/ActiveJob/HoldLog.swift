internal import JobModel
internal import Support

/// What holds a job, and since when.
struct HoldLog: Equatable, Sendable {
    private(set) var holds: [JobHold] = []

    /// Takes in what holds the job at `now`, each reason with a detail for people.
    ///
    /// - Returns: whether that is news.
    mutating func update(_ reasons: [(JobHold.Reason, String?)], at now: Timestamp) -> Bool {
        let current = reasons.map { reason, detail in
            let since = holds.first { $0.reason == reason }?.since ?? now
            return JobHold(reason: reason, since: since, detail: detail)
        }
        defer { holds = current }
        return holds != current
    }
}
