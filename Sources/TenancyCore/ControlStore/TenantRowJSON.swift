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

    private static func failure(_ text: String?) -> TenantFailure? {
        text.flatMap(JobRow.parse).map { stored in
            TenantFailure(
                message: stored["message"]?.stringValue ?? "", stored: stored["detail"] ?? .null)
        }
    }

    static let columns = columns(state: "state")

    /// What `read` reads, with the state from another column.
    static func columns(state: String) -> String {
        """
        tenant_id, identifier, \(state), array_to_json(from_revisions), \
        array_to_json(to_revisions), steps, array_to_json(planned), attempts, \
        \(JobRow.milliseconds("started_at")), \(JobRow.milliseconds("finished_at")), duration_ms, \
        failure, last_retry
        """
    }

    static func read(_ row: [String?]) -> TenantResult? {
        guard let id = row[0], let identifier = row[1], let state = row[2].flatMap(TenantState.init)
        else { return nil }
        var result = TenantResult(tenantID: id, identifier: identifier, state: state)
        result.fromRevisions = row[3].flatMap(JobRow.readStrings)
        result.toRevisions = row[4].flatMap(JobRow.readStrings)
        result.steps = row[5].flatMap { Int($0) } ?? 0
        result.plannedRevisions = row[6].flatMap(JobRow.readStrings)
        result.attempts = row[7].flatMap { Int($0) } ?? 0
        result.startedAt = JobRow.timestamp(row[8])
        result.finishedAt = JobRow.timestamp(row[9])
        result.durationMilliseconds = row[10].flatMap { Int64($0) }
        result.failure = failure(row[11])
        result.lastRetry = failure(row[12])
        return result
    }
}
