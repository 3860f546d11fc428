internal import JobModel

/// The newest results of a job, and the job as it was just before they were read.
struct EventWindow: Sendable {
    /// Results kept; about a megabyte a job that is followed.
    static let limit = 1_000

    /// The window has every result after this number.
    private(set) var start: Int64
    private(set) var job: JobSnapshot
    private var results: [RecordedResult] = []
    /// Whether the job has ended and its last result is in the window.
    private var isWhole = false

    init(after start: Int64, job: JobSnapshot) {
        self.start = start
        self.job = job
    }

    /// The number of the newest result, or where the window begins.
    var last: Int64 { results.last?.number ?? start }

    /// What there is after `number` for somebody who knows the job at `version`; nil when there is
    /// nothing new, or the window begins later.
    func batch(after number: Int64, version: Int?) -> JobEvents.Batch? {
        guard number >= start else { return nil }
        let fresh = Array(results.reversed().prefix { $0.number > number }.reversed())
        guard !fresh.isEmpty || isWhole || version != job.version else { return nil }
        return JobEvents.Batch(job: job, results: fresh, isEnd: isWhole)
    }

    /// Adds what was read after `last` of a job that had been seen as `job` before.
    mutating func add(_ read: [RecordedResult], job: JobSnapshot, hasMore: Bool) {
        self.job = job
        isWhole = job.state.isFinal && !hasMore
        results += read
        let excess = results.count - EventWindow.limit
        guard excess > 0 else { return }
        start = results[excess - 1].number
        results.removeFirst(excess)
    }
}
