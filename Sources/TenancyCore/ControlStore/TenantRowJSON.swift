internal import JobModel
package import Support

extension TenantFailure {
    /// As the status tables keep it, and as the API shows it.
    package var json: JSONValue {
        [
            "code": .string(code.description), "sqlstate": JSONValue(sqlState),
            "revision": JSONValue(revision),
            "statement": JSONValue(statement), "file": JSONValue(file), "line": JSONValue(line),
            "retryable": .bool(isRetryable), "hint": JSONValue(hint),
            "blocked_by": .array(blockedBy.map(\.json)), "traceback": JSONValue(traceback),
        ]
    }

    init(message: String, stored: JSONValue) {
        self.init(
            code: stored["code"]?.stringValue.map(FailureCode.init) ?? .statement(.failed),
            message: message,
            sqlState: stored["sqlstate"]?.stringValue, revision: stored["revision"]?.stringValue,
            statement: stored["statement"]?.stringValue, file: stored["file"]?.stringValue,
            line: stored["line"]?.intValue, isRetryable: stored["retryable"]?.boolValue ?? false,
            hint: stored["hint"]?.stringValue,
            blockedBy: (stored["blocked_by"]?.arrayValue ?? []).compactMap(BlockingSession.init),
            traceback: (stored["traceback"]?.arrayValue ?? []).compactMap(\.stringValue))
    }
}

extension BlockingSession {
    /// As the status tables keep it, and as the API shows it.
    package var json: JSONValue {
        [
            "pid": JSONValue(pid), "query": .string(query), "state": JSONValue(state),
            "application_name": JSONValue(applicationName), "age_ms": JSONValue(ageMilliseconds),
        ]
    }

    init?(stored: JSONValue) {
        guard let pid = stored["pid"]?.intValue, let query = stored["query"]?.stringValue else {
            return nil
        }
        self.init(
            pid: pid, query: query, state: stored["state"]?.stringValue,
            applicationName: stored["application_name"]?.stringValue,
            ageMilliseconds: stored["age_ms"]?.intValue.map(Int64.init))
    }
}

/// A tenant's result as a row of `job_tenants`, both ways.
enum TenantResultRow {
    static func json(_ claim: TenantClaim, known: LastResults) -> JSONValue {
        let result = claim.result
        return [
            "is_offered": .bool(claim.isOffered),
            "last_migration": known.migration?.stored ?? .null,
            "last_reading": known.reading?.stored ?? .null,
            "tenant_id": .string(result.tenantID), "identifier": .string(result.identifier),
            "target_key": JSONValue(claim.targetKey), "state": .string(result.state.rawValue),
            "from_revisions": result.fromRevisions.map { JSONValue($0) } ?? .null,
            "to_revisions": result.toRevisions.map { JSONValue($0) } ?? .null,
            "steps": JSONValue(result.steps),
            "planned": result.plannedRevisions.map { JSONValue($0) } ?? .null,
            "attempts": JSONValue(result.attempts),
            "started_at": JSONValue(result.startedAt?.description),
            "finished_at": JSONValue(result.finishedAt?.description),
            "duration_ms": JSONValue(result.durationMilliseconds),
            "failure": stored(result.failure), "last_retry": stored(result.lastRetry),
        ]
    }

    private static func stored(_ failure: TenantFailure?) -> JSONValue {
        failure.map { ["message": .string($0.message), "detail": $0.json] } ?? .null
    }

    private static func failure(_ stored: JSONValue?) -> TenantFailure? {
        stored.map { stored in
            TenantFailure(
                message: stored["message"]?.stringValue ?? "", stored: stored["detail"] ?? .null)
        }
    }

    /// What `read` reads.
    static let columns = columns(state: "state")

    /// What `read` reads, with the state from another column.
    static func columns(state: String) -> [SelectedColumn] {
        [
            SelectedColumn("tenant_id"), SelectedColumn("identifier"),
            SelectedColumn("state", state), .array("from_revisions"), .array("to_revisions"),
            SelectedColumn("steps"), .array("planned"), SelectedColumn("attempts"),
            .milliseconds("started_at"), .milliseconds("finished_at"),
            SelectedColumn("duration_ms"), SelectedColumn("failure"),
            SelectedColumn("last_retry"),
        ]
    }

    /// Reads a row of `columns`; `nil` for a row that this release does not understand.
    static func read(_ row: Row) throws(StatusError) -> TenantResult? {
        guard let id = try row["tenant_id"], let identifier = try row["identifier"],
            let state = try row.value("state", TenantState.init)
        else { return nil }
        var result = TenantResult(tenantID: id, identifier: identifier, state: state)
        result.fromRevisions = try row.strings("from_revisions")
        result.toRevisions = try row.strings("to_revisions")
        result.steps = try row.integer("steps") ?? 0
        result.plannedRevisions = try row.strings("planned")
        result.attempts = try row.integer("attempts") ?? 0
        result.startedAt = try row.timestamp("started_at")
        result.finishedAt = try row.timestamp("finished_at")
        result.durationMilliseconds = try row.bigInteger("duration_ms")
        result.failure = failure(try row.json("failure"))
        result.lastRetry = failure(try row.json("last_retry"))
        return result
    }
}
