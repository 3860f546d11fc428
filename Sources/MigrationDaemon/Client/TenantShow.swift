internal import ArgumentParser
internal import Support

struct TenantShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows one tenant with its last known revision.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var tenant: TenantArgument

    @Flag(help: "Reads the revision from the tenant now.")
    var live = false

    func run() async throws {
        let answer = try await client.client().send(
            "GET", tenant.path + (live ? "/revision" : ""))
        client.show(answer, lines: live ? Self.live : Self.known)
    }

    private static func known(_ tenant: JSONValue) -> [String] {
        let isolation = tenant["placement"]?["isolation"]?.stringValue ?? "cannot be placed"
        var lines = [
            "\(name(tenant)) \(JSONText.of(tenant["status"])) \(isolation) "
                + JSONText.rows(tenant["revisions"])
        ]
        if let place = tenant["placement"], !place.isNull {
            let schema = place["schema"]?.stringValue.map { ", schema \($0)" } ?? ""
            lines.append(
                "  on \(JSONText.of(place["server"])), "
                    + "database \(JSONText.of(place["database"]))\(schema)")
        }
        if let error = tenant["placement_error"]?.stringValue { lines.append("  \(error)") }
        if let readAt = tenant["read_at"]?.stringValue { lines.append("  read at \(readAt)") }
        for (key, name) in [("last_result", "migration"), ("last_reading", "reading")] {
            if let result = tenant[key], !result.isNull {
                lines.append("  last \(name) \(outcome(result))")
            }
        }
        return lines
    }

    private static func outcome(_ result: JSONValue) -> String {
        let job = result["job_id"]?.stringValue.map { " in job \($0)" } ?? ""
        let error = result["error"]?.stringValue.map { ": \($0)" } ?? ""
        let time = JSONText.of(result["finished_at"])
        return "\(JSONText.of(result["state"])) at \(time)\(job)\(error)"
    }

    /// A revision as it was just read; also what settling a step shows.
    static func live(_ tenant: JSONValue) -> [String] {
        let pending = tenant["pending"]?.intValue ?? 0
        let distance = pending == 0 ? "at head" : "\(pending) behind"
        var lines = ["\(name(tenant)) \(JSONText.rows(tenant["current"])) \(distance)"]
        if let step = tenant["unfinished_step"], !step.isNull {
            let doubt = step["in_doubt"]?.boolValue == true ? ", in doubt" : ""
            lines.append(
                "  unfinished: \(JSONText.of(step["revision"])) \(JSONText.of(step["direction"]))"
                    + "\(doubt), at \(JSONText.of(step["statement"]))")
        }
        return lines
    }

    private static func name(_ tenant: JSONValue) -> String {
        "\(JSONText.of(tenant["tenant_id"])) \(JSONText.of(tenant["identifier"]))"
    }
}
