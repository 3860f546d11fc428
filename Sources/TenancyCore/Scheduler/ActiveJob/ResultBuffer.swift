internal import JobModel

/// A job's results on their way to the control database, oldest first.
struct ResultBuffer: Sendable {
    private var results: [TenantResult] = []
    /// How many have been recorded and removed.
    private(set) var recordedCount = 0
    private var isFlushRequested = false

    /// Results that are not recorded yet.
    var count: Int { results.count }

    /// The position after the newest result, counted from the job's first one here.
    var end: Int { recordedCount + results.count }

    /// Whether the tables have every result before `position`.
    func hasRecorded(upTo position: Int) -> Bool { recordedCount >= position }

    /// The oldest results; they stay until `removeFirst`.
    func prefix(_ limit: Int) -> [TenantResult] { Array(results.prefix(limit)) }

    mutating func append(_ result: TenantResult) {
        results.append(result)
    }

    /// Removes the oldest results, which are recorded now.
    mutating func removeFirst(_ count: Int) {
        results.removeFirst(count)
        recordedCount += count
    }

    /// Somebody waits for the results to be recorded.
    mutating func requestFlush() {
        isFlushRequested = true
    }

    /// Whether somebody has asked for a flush since this was called last.
    mutating func consumeFlushRequest() -> Bool {
        defer { isFlushRequested = false }
        return isFlushRequested
    }
}
