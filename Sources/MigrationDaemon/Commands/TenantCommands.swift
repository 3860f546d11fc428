internal import ArgumentParser
internal import TenancyCore

/// Tenants over the API.
struct TenantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant", abstract: "Shows tenants over the API.",
        subcommands: [TenantShow.self, TenantList.self])
}

struct TenantShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows one tenant with its last known revision.")

    @OptionGroup var client: ClientOptions

    @Argument(help: "The tenant's id or identifier.")
    var tenant: String

    @Flag(help: "Reads the revision now, from the tenant itself.")
    var live = false

    func run() async throws {
        let path = "/v1/tenants/\(APIClient.escaped(tenant))\(live ? "/revision" : "")"
        let answer = try await client.client().send("GET", path)
        client.show(answer, line: live ? TenantLine.live : TenantLine.detailed)
    }
}

struct TenantList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists tenants in the order of their ids.")

    @OptionGroup var client: ClientOptions

    @Option(help: "Only tenants with these statuses, separated by commas.")
    var status: String?

    @Option(help: "schema, database or rls.")
    var isolation: String?

    @Option(help: "A glob on the identifier.")
    var match: String?

    @Option(help: "Only tenants at this revision.")
    var revision: String?

    @Flag(help: "Only tenants that are behind.")
    var behind = false

    @Option(help: "At most this many, 1 to 1000.")
    var limit = 100

    func run() async throws {
        let query = Query([
            "status": status, "isolation": isolation, "match": match, "revision": revision,
            "behind": behind ? "true" : nil, "limit": "\(limit)",
        ])
        let page = try await client.client().send("GET", "/v1/tenants\(query.text)")
        client.show(page) { page in
            (page["items"]?.arrayValue ?? []).map(TenantLine.short).joined(separator: "\n")
        }
    }
}

/// Tenants in words.
enum TenantLine {
    static func short(_ tenant: JSONValue) -> String {
        let place = tenant["placement"]?["isolation"]?.stringValue ?? "cannot be placed"
        return
            "\(name(tenant)) \(text(tenant["status"])) \(place) \(revisions(tenant["revisions"]))"
    }

    static func detailed(_ tenant: JSONValue) -> String {
        var lines = [short(tenant)]
        if let place = tenant["placement"], !place.isNull {
            let schema = place["schema"]?.stringValue.map { ", schema \($0)" } ?? ""
            lines.append(
                "  lives on \(text(place["server"])), database \(text(place["database"]))\(schema)")
        }
        if let error = tenant["placement_error"]?.stringValue { lines.append("  \(error)") }
        if let readAt = tenant["read_at"]?.stringValue { lines.append("  read at \(readAt)") }
        if let result = tenant["last_result"], !result.isNull {
            let error = result["error"]?.stringValue.map { ": \($0)" } ?? ""
            lines.append("  \(text(result["state"])) in job \(text(result["job_id"]))\(error)")
        }
        return lines.joined(separator: "\n")
    }

    static func live(_ tenant: JSONValue) -> String {
        let pending = tenant["pending"]?.intValue ?? 0
        let distance = pending == 0 ? "at head" : "\(pending) behind"
        return "\(name(tenant)) \(revisions(tenant["current"])) \(distance)"
    }

    private static func name(_ tenant: JSONValue) -> String {
        "\(text(tenant["tenant_id"])) \(text(tenant["identifier"]))"
    }

    private static func revisions(_ rows: JSONValue?) -> String {
        guard let rows = rows?.arrayValue else { return "never read" }
        return rows.isEmpty ? "base" : rows.compactMap(\.stringValue).joined(separator: ",")
    }

    private static func text(_ value: JSONValue?) -> String { value?.stringValue ?? "" }
}
