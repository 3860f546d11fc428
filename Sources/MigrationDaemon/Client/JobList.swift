internal import ArgumentParser
internal import Support

struct JobList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists jobs, newest first.")

    @OptionGroup var client: ClientOptions

    @Option(help: "Only jobs in these states, separated by commas.")
    var state: String?

    @Option(help: "Only jobs with these operations, separated by commas.")
    var operation: String?

    @Option(help: "At most this many.")
    var limit = 20

    func validate() throws {
        if limit < 1 { throw ValidationError("--limit takes 1 or more.") }
    }

    func run() async throws {
        let pages = Pages(
            client: try client.once(), path: "/v1/jobs",
            query: ["state": state, "operation": operation], limit: limit)
        try await pages.show(client, Self.columns)
    }

    private static let columns = [
        TableColumn("JOB", key: "id"), TableColumn("OPERATION", key: "operation"),
        TableColumn("TARGET", key: "target"), TableColumn("STATE", key: "state"),
        TableColumn("TENANTS") { job in
            JobProgress(job).map { "\($0.ended)/\($0.count("total"))" } ?? "-"
        },
        TableColumn("FAILED") { JSONText.of($0["counts"]?["failed"]) },
        TableColumn("CREATED", key: "created_at"), TableColumn("BY", key: "created_by"),
        TableColumn("COMMENT", key: "comment"),
    ]
}
