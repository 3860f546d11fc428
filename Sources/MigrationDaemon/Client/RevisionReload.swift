internal import ArgumentParser
internal import Support

struct RevisionReload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Reloads the daemon's migrations; an invalid set leaves the old one in use.")

    @OptionGroup var client: ClientOptions

    func run() async throws {
        let answer = try await client.client().send("POST", "/v1/revisions/reload", within: 300)
        client.show(answer) { answer in
            let warnings = answer["warnings"]?.arrayValue ?? []
            return warnings.map { "warning: \(JSONText.of($0))" } + [
                "\(JSONText.of(answer["revisions"])) revisions, "
                    + "heads: \(JSONText.of(answer["heads"]))"
            ]
        }
    }
}
