internal import ArgumentParser
internal import Support

struct TenantHistory: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Lists a tenant's results over all jobs, newest first.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var tenant: TenantArgument

    @Option(help: "At most this many.")
    var limit = 20

    func validate() throws {
        if limit < 1 { throw ValidationError("--limit takes 1 or more.") }
    }

    func run() async throws {
        let pages = Pages(
            client: try client.once(), path: "\(tenant.path)/history", query: [:], limit: limit)
        try await pages.show(client, Self.job + ResultColumns.all)
    }

    private static let job = [
        TableColumn("JOB", key: "job_id"),
        TableColumn("OPERATION") { entry in
            let isDry = (entry["dry_run"]?.stringValue ?? "none") != "none"
            return JSONText.of(entry["operation"]) + (isDry ? " (dry run)" : "")
        },
        TableColumn("TARGET", key: "target"),
    ]
}
