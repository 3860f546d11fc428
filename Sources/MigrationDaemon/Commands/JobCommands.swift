internal import ArgumentParser
internal import TenancyCore

/// Jobs over the API.
struct JobCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job", abstract: "Starts, watches and steers jobs over the API.",
        subcommands: [
            JobStart.self, JobWatch.self, JobShow.self, JobList.self, JobCancel.self,
            JobPause.self, JobResume.self, JobRetry.self,
        ])
}

struct JobStart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Starts a job and watches it to its end.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var request: JobRequestOptions

    @Option(help: "The same key with the same request starts no second job.")
    var idempotencyKey: String?

    @Flag(help: "Returns as soon as the job is recorded.")
    var detach = false

    func run() async throws {
        let connection = try client.client()
        let job = try await connection.send(
            "POST", "/v1/jobs", body: try request.json(),
            fields: idempotencyKey.map { ["Idempotency-Key": $0] } ?? [:])
        try await present(job, connection, client, detach: detach)
    }
}

struct JobWatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Watches a job to its end.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument

    func run() async throws {
        let connection = try client.client()
        let answer = try await connection.send("GET", job.path)
        try await JobWatcher(client: connection, json: client.json).follow(answer)
    }
}

struct JobShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows a job as it stands.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument

    func run() async throws {
        client.show(try await client.client().send("GET", job.path), line: jobLine)
    }
}

struct JobList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists jobs, newest first.")

    @OptionGroup var client: ClientOptions

    @Option(help: "Only jobs in these states, separated by commas.")
    var state: String?

    @Option(help: "Only jobs with these operations, separated by commas.")
    var operation: String?

    @Option(help: "At most this many, 1 to 1000.")
    var limit = 20

    func run() async throws {
        let query = Query(["state": state, "operation": operation, "limit": "\(limit)"])
        let page = try await client.client().send("GET", "/v1/jobs\(query.text)")
        client.show(page) { page in
            (page["items"]?.arrayValue ?? []).map(jobLine).joined(separator: "\n")
        }
    }
}

struct JobCancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Cancels a job; its running tenants finish first.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument

    @Flag(help: "Cancels the running tenants as well and rolls them back.")
    var immediate = false

    func run() async throws {
        let mode = immediate ? CancelMode.immediate : .graceful
        let answer = try await client.client().send(
            "POST", "\(job.path)/cancel", body: ["mode": .string(mode.rawValue)])
        client.show(answer, line: jobLine)
    }
}

struct JobPause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Pauses a job: no further tenant starts.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument

    func run() async throws {
        client.show(try await client.client().send("POST", "\(job.path)/pause"), line: jobLine)
    }
}

struct JobResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Lets a paused job go on.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument

    func run() async throws {
        client.show(try await client.client().send("POST", "\(job.path)/resume"), line: jobLine)
    }
}

struct JobRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Starts a new job over a job's failed and cancelled tenants and watches it.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument

    @Flag(help: "Returns as soon as the new job is recorded.")
    var detach = false

    func run() async throws {
        let connection = try client.client()
        let answer = try await connection.send("POST", "\(job.path)/retry")
        try await present(answer, connection, client, detach: detach)
    }
}

/// The job that a command is about.
struct JobArgument: ParsableArguments {
    @Argument(help: "The job's id.")
    var id: String

    var path: String { "/v1/jobs/\(APIClient.escaped(id))" }
}

/// A query without the members that are not set, in the order of their names.
struct Query {
    let text: String

    init(_ members: [String: String?]) {
        let pairs = members.sorted { $0.key < $1.key }.compactMap { name, value in
            value.map { "\(name)=\(APIClient.escaped($0))" }
        }
        text = pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
    }
}

private func jobLine(_ job: JSONValue) -> String { JobProgress(job)?.line ?? "" }

/// Shows a job that has just been started, or watches it to its end.
private func present(
    _ job: JSONValue, _ connection: APIClient, _ client: ClientOptions, detach: Bool
) async throws {
    if detach { return client.show(job, line: jobLine) }
    try await JobWatcher(client: connection, json: client.json).follow(job)
}
