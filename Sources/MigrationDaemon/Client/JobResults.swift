internal import ArgumentParser
internal import Support

struct JobResults: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "results", abstract: "Lists a job's result for each tenant.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument

    @Option(help: "Only tenants in these states, separated by commas.")
    var state: String?

    @Option(help: "At most this many. Default: all.")
    var limit: Int?

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit takes 1 or more.") }
    }

    func run() async throws {
        let pages = Pages(
            client: try client.once(), path: "\(job.path)/tenants", query: ["state": state],
            limit: limit)
        try await pages.show(client, Self.tenant + ResultColumns.all)
    }

    private static let tenant = [
        TableColumn("TENANT", key: "tenant_id"), TableColumn("IDENTIFIER", key: "identifier"),
    ]
}

/// What lists of results show of each.
enum ResultColumns {
    static let all = [
        TableColumn("STATE", key: "state"),
        TableColumn("FROM") { JSONText.rows($0["from_revisions"]) },
        TableColumn("TO") { JSONText.rows($0["to_revisions"]) },
        TableColumn("STEPS", key: "steps"), TableColumn("ATTEMPTS", key: "attempts"),
        TableColumn("FINISHED", key: "finished_at"),
        TableColumn("ERROR") { result in
            guard let error = result["error"]?.stringValue else { return "" }
            return "\(JSONText.of(result["error_detail"]?["code"])): \(error)"
        },
    ]
}
