internal import JobModel
internal import Support

/// A job as a row of `jobs`, both ways.
struct JobRow {
    let json: JSONValue

    init(_ job: JobSnapshot, lease: JobLease) {
        json = [
            "id": .string(job.id.description),
            "operation": .string(job.request.operation.rawValue),
            "target": .string(job.request.target),
            "request": job.request.json,
            "resolved_target": job.resolvedTarget.map { JSONValue($0) } ?? .null,
            "state": .string(job.state.rawValue),
            "state_reason": JSONValue(job.stateReason),
            "created_by": .string(job.createdBy),
            "created_at": .string(job.createdAt.description),
            "started_at": JSONValue(job.startedAt?.description),
            "finished_at": JSONValue(job.finishedAt?.description),
            "retry_of": JSONValue(job.retryOf?.description),
            "pending": JSONValue(job.counts.pending),
            "running": JSONValue(job.counts.running),
            "succeeded": JSONValue(job.counts.succeeded),
            "skipped": JSONValue(job.counts.skipped),
            "failed": JSONValue(job.counts.failed),
            "cancelled": JSONValue(job.counts.cancelled),
            "first_errors": .array(
                job.firstErrors.map {
                    [
                        "tenant_id": .string($0.tenantID), "identifier": .string($0.identifier),
                        "error": .string($0.error),
                    ]
                }),
            "holds": .array(
                job.holds.map {
                    [
                        "reason": .string($0.reason.rawValue),
                        "since": JSONValue($0.since.milliseconds), "detail": JSONValue($0.detail),
                    ]
                }),
            "version": JSONValue(job.version),
            "lease_replica": .string(lease.replica),
            "lease_epoch": JSONValue(lease.epoch),
        ]
    }

    /// The columns of a new row. Named, so that a table of a later release keeps its own defaults.
    static let names = """
        id, operation, target, request, resolved_target, state, state_reason, created_by, \
        created_at, started_at, finished_at, retry_of, pending, running, succeeded, skipped, \
        failed, cancelled, first_errors, holds, version, lease_replica, lease_epoch, lease_until, \
        migrations
        """

    /// What `read` reads.
    static let columns: [SelectedColumn] = [
        SelectedColumn("id"), SelectedColumn("request"), .array("resolved_target"),
        SelectedColumn("state"), SelectedColumn("state_reason"), SelectedColumn("created_by"),
        .milliseconds("created_at"), .milliseconds("started_at"), .milliseconds("finished_at"),
        SelectedColumn("retry_of"), SelectedColumn("pending"), SelectedColumn("running"),
        SelectedColumn("succeeded"), SelectedColumn("skipped"), SelectedColumn("failed"),
        SelectedColumn("cancelled"), SelectedColumn("first_errors"), SelectedColumn("holds"),
        SelectedColumn("version"),
    ]

    /// Reads a row of `columns`; `nil` for a row that this release does not understand.
    static func read(_ row: Row) throws(StatusError) -> JobSnapshot? {
        guard let id = try row.value("id", JobID.init),
            let request = try row.json("request").flatMap({ JobRequest(stored: $0) }),
            let state = try row.value("state", JobState.init),
            let createdBy = try row["created_by"], let createdAt = try row.timestamp("created_at")
        else { return nil }
        var job = JobSnapshot(
            id: id, request: request, resolvedTarget: try row.strings("resolved_target"),
            state: state, createdBy: createdBy, createdAt: createdAt,
            retryOf: try row.value("retry_of", JobID.init))
        job.stateReason = try row["state_reason"]
        job.startedAt = try row.timestamp("started_at")
        job.finishedAt = try row.timestamp("finished_at")
        job.counts.pending = try row.integer("pending") ?? 0
        job.counts.running = try row.integer("running") ?? 0
        job.counts.succeeded = try row.integer("succeeded") ?? 0
        job.counts.skipped = try row.integer("skipped") ?? 0
        job.counts.failed = try row.integer("failed") ?? 0
        job.counts.cancelled = try row.integer("cancelled") ?? 0
        job.firstErrors = try row.json("first_errors").map(readFailures) ?? []
        job.holds = try row.json("holds").map(readHolds) ?? []
        job.version = try row.integer("version") ?? 1
        return job
    }

    private static func readHolds(_ stored: JSONValue) -> [JobHold] {
        (stored.arrayValue ?? []).compactMap { item in
            // A later release may hold jobs for reasons that this one does not know.
            guard let reason = item["reason"]?.stringValue.flatMap(JobHold.Reason.init),
                let since = item["since"]?.intValue
            else { return nil }
            return JobHold(
                reason: reason, since: Timestamp(milliseconds: Int64(since)),
                detail: item["detail"]?.stringValue)
        }
    }

    private static func readFailures(_ stored: JSONValue) -> [JobFailureNote] {
        (stored.arrayValue ?? []).compactMap { item in
            guard let id = item["tenant_id"]?.stringValue,
                let identifier = item["identifier"]?.stringValue,
                let error = item["error"]?.stringValue
            else { return nil }
            return JobFailureNote(tenantID: id, identifier: identifier, error: error)
        }
    }
}
