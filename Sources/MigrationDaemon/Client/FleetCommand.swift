internal import ArgumentParser
internal import Support

struct FleetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet", abstract: "Counts the tenants by status and by last known revision.")

    @OptionGroup var client: ClientOptions

    func run() async throws {
        let answer = try await client.client().send("GET", "/v1/fleet", within: 120)
        client.show(answer, lines: Self.lines)
    }

    private static func lines(_ fleet: JSONValue) -> [String] {
        var lines = [
            "\(JSONText.of(fleet["total"])) tenants, heads: \(JSONText.of(fleet["heads"]))"
        ]
        for (key, words) in [
            ("behind", "behind"), ("failed_last_time", "failed at their last migration"),
            ("failed_last_reading", "failed at their last reading"),
            ("never_read", "never read"),
        ] { lines.append("  \(JSONText.of(fleet[key])) \(words)") }
        for (key, title) in [("by_status", "STATUS"), ("by_revision", "REVISION")] {
            var table = TextTable([
                TableColumn(title, key: "name"), TableColumn("TENANTS", key: "n"),
            ])
            let items = (fleet[key]?.objectValue?.members ?? []).map { member -> JSONValue in
                ["name": .string(member.key), "n": member.value]
            }
            lines += [""] + table.lines(items)
        }
        return lines
    }
}
