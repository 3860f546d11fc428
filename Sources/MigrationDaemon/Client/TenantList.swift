internal import ArgumentParser
internal import Support

struct TenantList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists all tenants in the order of their ids.")

    @OptionGroup var client: ClientOptions

    @Option(help: "Only tenants with these statuses, separated by commas.")
    var status: String?

    @Option(help: "schema, database or rls.")
    var isolation: String?

    @Option(help: "A glob for the identifier.")
    var match: String?

    @Option(help: "Only tenants at this revision.")
    var revision: String?

    @Flag(help: "Only tenants that are behind.")
    var behind = false

    @Option(help: "At most this many. Default: all.")
    var limit: Int?

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit takes 1 or more.") }
    }

    func run() async throws {
        let pages = Pages(
            client: try client.once(), path: "/v1/tenants",
            query: [
                "status": status, "isolation": isolation, "match": match, "revision": revision,
                "behind": behind ? "true" : nil,
            ], limit: limit)
        try await pages.show(client, Self.columns)
    }

    private static let columns = [
        TableColumn("TENANT", key: "tenant_id"), TableColumn("IDENTIFIER", key: "identifier"),
        TableColumn("STATUS", key: "status"),
        TableColumn("ISOLATION") { JSONText.of($0["placement"]?["isolation"]) },
        TableColumn("REVISION") { JSONText.rows($0["revisions"]) },
        TableColumn("BEHIND") { $0["behind"]?.boolValue.map { $0 ? "yes" : "no" } ?? "?" },
        TableColumn("READ", key: "read_at"),
        TableColumn("LAST READING") { Self.outcome($0["last_reading"]) },
        TableColumn("LAST MIGRATION") { tenant in
            tenant["placement_error"]?.stringValue ?? Self.outcome(tenant["last_result"])
        },
    ]

    private static func outcome(_ result: JSONValue?) -> String {
        guard let result, !result.isNull else { return "" }
        let error = result["error"]?.stringValue.map { ": \($0)" } ?? ""
        return JSONText.of(result["state"]) + error
    }
}
