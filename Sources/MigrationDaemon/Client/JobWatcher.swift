internal import Support

/// Follows a job to its end by long polls.
struct JobWatcher {
    let client: PersistentClient
    /// Whether the last JSON is printed instead of lines.
    let json: Bool
    /// Whether a tenant with steps before it is a failure; `nil` for what suits the job.
    var requireHead: Bool?

    /// Seconds that the daemon may hold one poll.
    private static let pollSeconds = 5
    /// Between two polls, so that a fast job costs few of them.
    private static let pause = Duration.milliseconds(250)

    /// Shows the job until it has ended, then ends with the status that its state stands for.
    func follow(_ first: JSONValue) async throws {
        var answer = first
        var screen = WatchScreen(
            isTerminal: StandardStream.error.isTerminal && !json, isSilent: json)
        while true {
            guard let job = JobProgress(answer) else {
                throw CommandFailure(.unreachable, "The answer is not that of a migrationd.")
            }
            if requireHead == true && !job.reportsPlans {
                throw CommandFailure(
                    .usage, "--require-head is for checks and dry runs; this is no such job.")
            }
            screen.observe(job, at: .now)
            if screen.wantsReason(of: job, at: .now) {
                screen.explain(WaitReason.text(job, await waiting(job)), at: .now)
            }
            screen.show(job, at: .now)
            if job.isFinal { return try await finish(job, answer) }
            try await Task.sleep(for: Self.pause)
            answer = try await client.send(
                "GET", "/v1/jobs/\(job.id)?wait=\(Self.pollSeconds)&version=\(job.version)",
                within: Self.pollSeconds + 15)
        }
    }

    /// Tenants that have not ended. What they wait for is no reason to end, so nothing is when they
    /// cannot be read.
    private func waiting(_ job: JobProgress) async -> [JSONValue] {
        guard job.state == "running" || job.state == "cancelling" else { return [] }
        let answer = try? await client.client.send(
            "GET", "/v1/jobs/\(job.id)/tenants?state=running,pending&limit=100", within: 10)
        return answer?["items"]?.arrayValue ?? []
    }

    private func finish(_ job: JobProgress, _ answer: JSONValue) async throws {
        if json {
            StandardStream.output.write(json: answer)
        } else if job.count("failed") > 0 {
            let path = "/v1/jobs/\(job.id)/tenants?state=failed&limit=\(JobSummary.shown)"
            let page = try? await client.send("GET", path)
            StandardStream.error.write(
                lines: JobSummary.failures(job, page?["items"]?.arrayValue ?? []))
        }
        var plans = PlanSummary()
        if job.reportsPlans {
            try await Pages(client: client, path: "/v1/jobs/\(job.id)/tenants", query: [:]).each {
                plans.add($0)
            }
            if !json {
                let nothing = job.isDryRun ? "nothing to do" : "at \(job.target)"
                StandardStream.output.write(lines: plans.lines(nothing: nothing))
            }
        }
        if job.commandStatus != .success { throw CommandFailure(job.commandStatus) }
        if requireHead ?? (job.operation == "check" && !job.isDryRun), plans.behind > 0 {
            let total = JSONText.count(job.count("total"), "tenant")
            throw CommandFailure(
                .failure, lines: ["\(plans.behind) of \(total) not at \(job.target)"])
        }
    }
}
