internal import ArgumentParser
internal import Support

struct RevisionList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the revisions in the order in which they were loaded."
    )

    @OptionGroup var client: ClientOptions

    func run() async throws {
        let pages = Pages(client: try client.once(), path: "/v1/revisions", query: [:])
        try await pages.show(client, Self.columns)
    }

    private static let columns = [
        TableColumn("REVISION", key: "revision"), TableColumn("DOWN", key: "down_revisions"),
        TableColumn("LABELS", key: "branch_labels"),
        TableColumn("HEAD") { $0["is_head"]?.boolValue == true ? "yes" : "" },
        TableColumn("ENGINE", key: "engine"),
        TableColumn("TRANSACTION") { $0["transactional"]?.boolValue == false ? "off" : "on" },
        TableColumn("MESSAGE", key: "message"),
    ]
}
