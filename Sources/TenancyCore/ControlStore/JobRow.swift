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
            "version": JSONValue(job.version),
            "lease_replica": .string(lease.replica),
            "lease_epoch": JSONValue(lease.epoch),
        ]
    }

    /// The columns of a new row. Named, so that a table of a later release keeps its own defaults.
    static let names = """
        id, operation, target, request, resolved_target, state, state_reason, created_by, \
        created_at, started_at, finished_at, retry_of, pending, running, succeeded, skipped, \
        failed, cancelled, first_errors, version, lease_replica, lease_epoch, lease_until, \
        migrations
        """

    /// What `read` reads.
    static let columns = """
        id, request, array_to_json(resolved_target), state, state_reason, created_by, \
        \(milliseconds("created_at")), \(milliseconds("started_at")), \
        \(milliseconds("finished_at")), retry_of, pending, running, succeeded, skipped, failed, \
        cancelled, first_errors, version
        """

    /// A timestamp column as milliseconds since 1970.
    static func milliseconds(_ column: String) -> String {
        "(extract(epoch FROM \(column)) * 1000)::bigint"
    }

    /// Reads a row of `columns`; `nil` for a row that this release does not understand.
    static func read(_ row: [String?]) -> JobSnapshot? {
        guard let id = row[0].flatMap(JobID.init), let request = row[1].flatMap(readRequest),
            let state = row[3].flatMap(JobState.init), let createdBy = row[5],
            let createdAt = timestamp(row[6])
        else { return nil }
        var job = JobSnapshot(
            id: id, request: request, resolvedTarget: row[2].flatMap(readStrings), state: state,
            createdBy: createdBy, createdAt: createdAt, retryOf: row[9].flatMap(JobID.init))
        job.stateReason = row[4]
        job.startedAt = timestamp(row[7])
        job.finishedAt = timestamp(row[8])
        let numbers = row[10...15].map { $0.flatMap { Int($0) } ?? 0 }
        job.counts.pending = numbers[0]
        job.counts.running = numbers[1]
        job.counts.succeeded = numbers[2]
        job.counts.skipped = numbers[3]
        job.counts.failed = numbers[4]
        job.counts.cancelled = numbers[5]
        job.firstErrors = row[16].map(readFailures) ?? []
        job.version = row[17].flatMap { Int($0) } ?? 1
        return job
    }

    static func timestamp(_ text: String?) -> Timestamp? {
        text.flatMap { Int64($0) }.map(Timestamp.init(milliseconds:))
    }

    static func parse(_ text: String) -> JSONValue? {
        try? JSONValue.parse(Array(text.utf8))
    }

    static func readStrings(_ text: String) -> [String]? {
        parse(text)?.arrayValue?.compactMap(\.stringValue)
    }

    private static func readRequest(_ text: String) -> JobRequest? {
        parse(text).flatMap { JobRequest(stored: $0) }
    }

    private static func readFailures(_ text: String) -> [JobFailureNote] {
        (parse(text)?.arrayValue ?? []).compactMap { item in
            guard let id = item["tenant_id"]?.stringValue,
                let identifier = item["identifier"]?.stringValue,
                let error = item["error"]?.stringValue
            else { return nil }
            return JobFailureNote(tenantID: id, identifier: identifier, error: error)
        }
    }
}
