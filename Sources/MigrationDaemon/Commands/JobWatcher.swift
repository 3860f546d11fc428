internal import TenancyCore

/// Follows a job to its end by long polls.
struct JobWatcher {
    let client: APIClient
    /// Whether the last JSON is printed instead of lines.
    let json: Bool

    /// Seconds that the daemon may hold one poll.
    private static let pollSeconds = 25
    /// Between two polls, so that a fast job costs few of them.
    private static let pause = Duration.milliseconds(250)
    /// Between two lines in a log.
    private static let logPause = Duration.seconds(5)

    /// Shows the job until it has ended, then ends with the status that its state stands for.
    func follow(_ first: JSONValue) async throws {
        var answer = first
        var shownAt: ContinuousClock.Instant?
        let isTerminal = StandardStream.error.isTerminal && !json
        while true {
            guard let job = JobProgress(answer) else {
                throw CommandFailure(.unreachable, "The answer is not that of a migrationd.")
            }
            if isTerminal {
                StandardStream.error.write("\r\u{1B}[K" + job.bar(columns: 80))
            } else if !json, shownAt.map({ .now - $0 >= Self.logPause }) ?? true || job.isFinal {
                StandardStream.output.writeLine(job.line)
                shownAt = .now
            }
            if job.isFinal {
                if isTerminal { StandardStream.error.write("\n") }
                return try finish(job, answer, isTerminal: isTerminal)
            }
            try await Task.sleep(for: Self.pause)
            answer = try await client.send(
                "GET", "/v1/jobs/\(job.id)?wait=\(Self.pollSeconds)&version=\(job.version)",
                within: Self.pollSeconds + 15)
        }
    }

    private func finish(_ job: JobProgress, _ answer: JSONValue, isTerminal: Bool) throws {
        if json {
            StandardStream.output.writeLine(answer.renderedString())
        } else if isTerminal {
            StandardStream.output.writeLine(job.line)
        }
        if !json {
            for error in job.firstErrors { StandardStream.error.writeLine("  \(error)") }
        }
        if job.commandStatus != .success { throw CommandFailure(job.commandStatus) }
    }
}
