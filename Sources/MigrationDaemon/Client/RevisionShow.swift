internal import ArgumentParser
internal import Support

struct RevisionShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows one revision with its SQL.")

    @OptionGroup var client: ClientOptions

    @Argument(help: "The full id.")
    var revision: String

    func run() async throws {
        let answer = try await client.client().send(
            "GET", "/v1/revisions/\(APIClient.escaped(revision))")
        client.show(answer, lines: Self.lines)
    }

    private static func lines(_ revision: JSONValue) -> [String] {
        var lines = [
            "\(JSONText.of(revision["revision"]))  \(JSONText.of(revision["message"]))",
            "  above \(JSONText.of(revision["down_revisions"])), engine "
                + "\(JSONText.of(revision["engine"])), file \(JSONText.of(revision["file"]))",
        ]
        for direction in ["upgrade", "downgrade"] {
            let statements = revision[direction]?["statements"]?.arrayValue
            lines.append("-- \(direction)\(statements == nil ? ": no SQL" : "")")
            for statement in statements ?? [] {
                let sql = (statement["sql"]?.stringValue ?? "") + ";"
                lines += sql.split(separator: "\n", omittingEmptySubsequences: false).map(
                    String.init)
            }
        }
        return lines
    }
}
