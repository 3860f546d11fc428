internal import ArgumentParser
internal import Support

/// What a job of one tenant takes as well as one of many.
struct StepOptions: ParsableArguments {
    @Option(help: "Anything that Alembic accepts: head, +1, -1, a revision, label@head, ...")
    var target: String?

    @Option(help: "Milliseconds that a statement may wait for a lock.")
    var lockTimeoutMs: Int?

    @Option(help: "Milliseconds that a statement may run.")
    var statementTimeoutMs: Int?

    @Option(help: "Attempts per tenant in case of transient errors.")
    var maxAttempts: Int?

    @Option(help: "none or plan.")
    var dryRun: String?

    @Option(help: "A comment to store with the job.")
    var comment: String?

    /// What is given, as members of a request.
    var members: JSONObject {
        var body = JSONObject()
        body["target"] = target.map { .string($0) }
        body["lock_timeout_ms"] = lockTimeoutMs.map { JSONValue($0) }
        body["statement_timeout_ms"] = statementTimeoutMs.map { JSONValue($0) }
        body["max_attempts"] = maxAttempts.map { JSONValue($0) }
        body["dry_run"] = dryRun.map { .string($0) }
        body["comment"] = comment.map { .string($0) }
        return body
    }
}

/// The members of a job request as options. What is not given is left out, so that the daemon's
/// own defaults hold.
struct JobRequestOptions: ParsableArguments {
    @Option(help: "upgrade, downgrade, stamp or check.")
    var operation: String

    @Option(name: .customLong("tenant"), help: "A tenant's id or identifier; may be repeated.")
    var tenants: [String] = []

    @Option(help: "A glob for the identifier.")
    var match: String?

    @Option(help: "A status in the registry; may be repeated. Default: active.")
    var status: [String] = []

    @Option(help: "schema, database or rls.")
    var isolation: String?

    @Option(help: "NAME=VALUE that the tenant's metadata must contain; may be repeated.")
    var metadata: [String] = []

    @Flag(help: "Leaves out tenants that are known to be at the target already.")
    var behindOnly = false

    @Option(help: "At most this many tenants.")
    var limit: Int?

    @Option(help: "Tenants migrated at once.")
    var concurrency: Int?

    @Option(help: "Registry rows per page.")
    var pageSize: Int?

    @Flag(help: "Succeeds if the selection matches no tenant.")
    var allowEmpty = false

    @OptionGroup var step: StepOptions

    func json() throws(CommandFailure) -> JSONValue {
        var selection = JSONObject()
        if !tenants.isEmpty { selection["ids"] = JSONValue(tenants) }
        selection["match"] = match.map { .string($0) }
        if !status.isEmpty { selection["status"] = JSONValue(status) }
        selection["isolation"] = isolation.map { .string($0) }
        if !metadata.isEmpty { selection["metadata"] = .object(try metadataObject()) }
        if behindOnly { selection["behind_only"] = true }
        selection["limit"] = limit.map { JSONValue($0) }

        var body: JSONObject = ["operation": .string(operation)]
        if !selection.isEmpty { body["tenants"] = .object(selection) }
        body["concurrency"] = concurrency.map { JSONValue($0) }
        body["page_size"] = pageSize.map { JSONValue($0) }
        if allowEmpty { body["allow_empty"] = true }
        for member in step.members.members { body[member.key] = member.value }
        return .object(body)
    }

    /// A value that reads as JSON is that JSON, anything else a text: `seats=3`, `plan=enterprise`.
    private func metadataObject() throws(CommandFailure) -> JSONObject {
        var object = JSONObject()
        for pair in metadata {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw CommandFailure(.usage, "--metadata needs NAME=VALUE.")
            }
            let text = String(parts[1])
            do throws(JSONError) {
                object[String(parts[0])] = try JSONValue.parse(Array(text.utf8))
            } catch {
                object[String(parts[0])] = .string(text)
            }
        }
        return object
    }
}
