/// Where a job's progress is shown: drawn over and over on a terminal, a line now and then in a log.
/// It also knows for how long nothing has moved.
struct WatchScreen {
    /// What has not moved for so long is explained.
    private static let stillness = Duration.seconds(3)
    /// Between two looks at why.
    private static let reasonAge = Duration.seconds(5)
    /// Between two lines in a log, while something moves and while nothing does.
    private static let logPause = Duration.seconds(5)
    private static let longLogPause = Duration.seconds(60)

    let isTerminal: Bool
    let isSilent: Bool
    private var ended: Int?
    private var state = ""
    private var movedAt: ContinuousClock.Instant?
    private var reason: String?
    private var explainedAt: ContinuousClock.Instant?
    private var shownAt: ContinuousClock.Instant?
    private var shownLine = ""

    init(isTerminal: Bool, isSilent: Bool) {
        self.isTerminal = isTerminal
        self.isSilent = isSilent
    }

    /// Notes whether the job has moved.
    mutating func observe(_ job: JobProgress, at now: ContinuousClock.Instant) {
        if job.ended == ended && job.state == state { return }
        ended = job.ended
        state = job.state
        movedAt = now
        reason = nil
        explainedAt = nil
    }

    /// Whether it is time to look what the job waits for.
    func wantsReason(of job: JobProgress, at now: ContinuousClock.Instant) -> Bool {
        guard !isSilent, !job.isFinal, let movedAt, now - movedAt >= Self.stillness else {
            return false
        }
        return explainedAt.map { now - $0 >= Self.reasonAge } ?? true
    }

    mutating func explain(_ reason: String, at now: ContinuousClock.Instant) {
        self.reason = reason
        explainedAt = now
    }

    mutating func show(_ job: JobProgress, at now: ContinuousClock.Instant) {
        if isSilent { return }
        if isTerminal {
            StandardStream.error.redraw(
                job.bar(columns: StandardStream.error.columns, waiting: reason))
            if job.isFinal {
                StandardStream.error.redraw("")
                StandardStream.output.writeLine(job.line)
            }
        } else if isDue(job, at: now) {
            shownLine = job.line(waiting: reason)
            shownAt = now
            StandardStream.output.writeLine(shownLine)
        }
    }

    /// A log gets a line every few seconds, but not the same one again and again.
    private func isDue(_ job: JobProgress, at now: ContinuousClock.Instant) -> Bool {
        guard let shownAt, !job.isFinal else { return true }
        let isNews = job.line(waiting: reason) != shownLine
        return now - shownAt >= (isNews ? Self.logPause : Self.longLogPause)
    }
}
