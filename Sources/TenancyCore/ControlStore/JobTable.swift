package import JobModel
internal import PostgresClient
internal import Support

/// Who asked for something, as the audit table records it.
package struct Caller: Sendable, Equatable {
    package let name: String
    package let requestID: String
    /// The address that the request came from.
    package let peer: String

    package init(name: String, requestID: String, peer: String) {
        self.name = name
        self.requestID = requestID
        self.peer = peer
    }
}

/// A caller's own name for a request, so that sending it twice starts one job.
package struct IdempotencyKey: Sendable, Equatable {
    package let key: String
    /// A digest of the request's meaning: the same key with another one is refused.
    package let bodyHash: String

    package init(key: String, bodyHash: String) {
        self.key = key
        self.bodyHash = bodyHash
    }
}

/// Which jobs a list holds; an empty member demands nothing.
package struct JobFilter: Sendable, Equatable {
    package var states: [JobState]
    package var operations: [JobOperation]

    package init(states: [JobState] = [], operations: [JobOperation] = []) {
        self.states = states
        self.operations = operations
    }
}

/// The jobs (`jobs`), the keys under which they were asked for (`idempotency_keys`), and who asked for
/// what (`audit`).
package struct JobTable: TableGroup {
    /// How long an idempotency key is remembered.
    private static let keyLifetime = "48 hours"

    let pool: ControlPool

    /// How `insert` ended.
    package enum Insertion: Equatable {
        case inserted
        /// The key was used before, for this job and with the same body.
        case replay(JobID)
        case mismatch
    }

    /// Records a new job, its key and who asked for it, in one statement.
    package func insert(
        _ job: JobSnapshot, key: IdempotencyKey?, caller: Caller, lease: JobLease,
        leaseDuration: Duration, migrations: String
    ) async throws(StatusError) -> Insertion {
        let parameters = [
            key?.key, key?.bodyHash ?? "", JobRow(job, lease: lease).json.renderedString(),
            job.id.description, caller.name, caller.requestID, caller.peer,
            "\(leaseDuration.milliseconds) ms", migrations,
        ]
        while true {
            let rows = try await run(insertion, parameters)
            // Another request with the same key was recorded while this one looked: it is there now.
            guard let row = rows.first, let found = try JobTable.readKey(row) else { continue }
            // Its own row, when it is sent again since the first answer was lost.
            return found == .replay(job.id) ? .inserted : found
        }
    }

    /// What `insert` would answer under a key that was used before; `nil` when it is new.
    package func insertion(earlierUnder key: IdempotencyKey) async throws(StatusError) -> Insertion?
    {
        let rows = try await run(
            """
            SELECT job_id, body_hash = $2 AS is_same FROM \(table("idempotency_keys"))
            WHERE key = $1 AND created_at >= now() - interval '\(JobTable.keyLifetime)'
            """,
            [key.key, key.bodyHash])
        return try rows.first.flatMap(JobTable.readKey)
    }

    private static func readKey(_ row: Row) throws(StatusError) -> Insertion? {
        guard let id = try row.value("job_id", JobID.init) else { return nil }
        return try row.isTrue("is_same") ? .replay(id) : .mismatch
    }

    /// Answers with the job that has the key, or with none when another request takes the key at the
    /// same moment; the job is recorded only where the key is its own.
    private var insertion: String {
        let isExpired = "created_at < now() - interval '\(JobTable.keyLifetime)'"
        return """
            WITH expired AS (
                DELETE FROM \(table("idempotency_keys")) WHERE key IN (
                    SELECT key FROM \(table("idempotency_keys"))
                    WHERE \(isExpired) AND key IS DISTINCT FROM $1
                    LIMIT 1000 FOR UPDATE SKIP LOCKED)
            ), used AS (
                SELECT job_id, body_hash FROM \(table("idempotency_keys"))
                WHERE key = $1 AND NOT \(isExpired)
            ), key AS (
                INSERT INTO \(table("idempotency_keys")) AS k (key, body_hash, job_id, created_at)
                SELECT $1, $2, $4::uuid, now() WHERE $1 IS NOT NULL
                    AND NOT EXISTS (SELECT FROM used)
                ON CONFLICT (key) DO UPDATE SET body_hash = excluded.body_hash,
                    job_id = excluded.job_id, created_at = excluded.created_at WHERE k.\(isExpired)
                RETURNING job_id
            ), job AS (
                INSERT INTO \(table("jobs")) (\(JobRow.names))
                SELECT \(JobRow.names) FROM
                    jsonb_populate_record(NULL::\(table("jobs")), $3::jsonb || jsonb_build_object(
                        'lease_until', now() + $8::interval, 'migrations', $9::text)) AS r
                WHERE $1 IS NULL OR EXISTS (SELECT FROM key)
                ON CONFLICT (id) DO NOTHING RETURNING id
            ), audit AS (
                INSERT INTO \(table("audit")) (at, actor, action, job_id, request_id, peer)
                SELECT now(), $5, 'job.create', id, $6, $7 FROM job
            )
            SELECT job_id, body_hash = $2 AS is_same FROM used
            UNION ALL SELECT job_id, true FROM key
            UNION ALL SELECT $4::uuid, true WHERE $1 IS NULL
            """
    }

    /// Writes everything about the job that changes. Ignored when `lease` is no longer the job's, and
    /// when something later was written before.
    ///
    /// - Returns: false if the table has lost the job.
    @discardableResult
    package func update(_ job: JobSnapshot, lease: JobLease) async throws(StatusError) -> Bool {
        let row = JobRow(job, lease: lease).json.renderedString()
        let rows = try await run(
            """
            WITH changed AS (
            UPDATE \(table("jobs")) AS j SET (state, state_reason, started_at, finished_at, pending,
                running, succeeded, skipped, failed, cancelled, first_errors, holds, version) =
                (r.state, r.state_reason, r.started_at, r.finished_at, r.pending, r.running,
                r.succeeded, r.skipped, r.failed, r.cancelled, r.first_errors, r.holds, r.version)
            FROM json_populate_record(NULL::\(table("jobs")), $1) AS r
            WHERE j.id = r.id AND j.lease_epoch = r.lease_epoch AND j.version <= r.version
                AND j.finished_at IS NULL
            )
            SELECT EXISTS (SELECT FROM \(table("jobs")) WHERE id = $2::uuid) AS is_there
            """, [row, job.id.description])
        return try rows.first?.isTrue("is_there") ?? false
    }

    /// Lets assistants know that what runs is to be rolled back.
    package func markInterrupted(_ job: JobID, lease: JobLease) async throws(StatusError) {
        try await run(
            """
            UPDATE \(table("jobs")) SET is_interrupted = true
            WHERE id = $1::uuid AND lease_epoch = $2::bigint
            """, [job.description, String(lease.epoch)])
    }

    /// Writes the row of a job again that went with the control database.
    ///
    /// - Returns: false when a row is there.
    func restore(
        _ job: JobSnapshot, lease: JobLease, migrations: String
    ) async throws(StatusError) -> Bool {
        let rows = try await run(
            """
            INSERT INTO \(table("jobs")) (\(JobRow.names))
            SELECT \(JobRow.names) FROM
                jsonb_populate_record(NULL::\(table("jobs")), $1::jsonb || jsonb_build_object(
                    'lease_until', now(), 'migrations', $2::text)) AS r
            ON CONFLICT (id) DO NOTHING RETURNING id
            """, [JobRow(job, lease: lease).json.renderedString(), migrations])
        return !rows.isEmpty
    }

    /// Records who controlled a job, or resolved a tenant's step of it.
    package func audit(
        _ action: String, job: JobID, tenant: String? = nil, caller: Caller
    ) async throws(StatusError) {
        try await run(
            """
            INSERT INTO \(table("audit")) (at, actor, action, job_id, tenant_id, request_id, peer)
            VALUES (now(), $1, $2, $3::uuid, $4, $5, $6)
            """, [caller.name, action, job.description, tenant, caller.requestID, caller.peer])
    }

    /// The job as its row has it.
    package func find(_ id: JobID) async throws(StatusError) -> JobSnapshot? {
        let rows = try await run(
            "SELECT \(JobRow.columns) FROM \(table("jobs")) WHERE id = $1::uuid",
            [id.description])
        return try rows.first.flatMap(JobRow.read)
    }

    /// Newest first, before `id` where it is given.
    package func list(
        _ filter: JobFilter, limit: Int, before id: JobID?
    ) async throws(StatusError) -> [JobSnapshot] {
        let rows = try await run(
            """
            SELECT \(JobRow.columns) FROM \(table("jobs"))
            WHERE ($1::uuid IS NULL OR id < $1::uuid)
                AND ($2::text[] = '{}' OR state = ANY($2::text[]))
                AND ($3::text[] = '{}' OR operation = ANY($3::text[]))
            ORDER BY id DESC LIMIT \(limit)
            """,
            [
                id?.description, SQLText.arrayParameter(filter.states.map(\.rawValue)),
                SQLText.arrayParameter(filter.operations.map(\.rawValue)),
            ])
        return try rows.read(JobRow.read)
    }

    // MARK: - Leases

    /// Takes over unfinished jobs whose lease has expired; those that were taken with other migrations
    /// only when no replica that has the same ones has done so within another lease duration.
    package func takeOverAbandoned(
        by replica: String, migrations: String, leaseDuration: Duration
    ) async throws(StatusError) -> [(JobSnapshot, JobLease)] {
        let rows = try await run(
            """
            UPDATE \(table("jobs")) SET lease_replica = $1::uuid, lease_epoch = lease_epoch + 1,
                lease_until = now() + $2::interval
            WHERE id IN (SELECT id FROM \(table("jobs")) WHERE lease_until < now()
                AND state IN ('queued', 'running', 'paused', 'cancelling')
                AND (migrations IS NULL OR migrations = $3
                    OR lease_until < now() - $2::interval)
                ORDER BY id FOR UPDATE SKIP LOCKED)
            RETURNING \(JobRow.columns), lease_epoch
            """, [replica, "\(leaseDuration.milliseconds) ms", migrations])
        return try rows.read { row throws(StatusError) in
            guard let job = try JobRow.read(row), let epoch = try row.bigInteger("lease_epoch")
            else { return nil }
            return (job, JobLease(replica: replica, epoch: epoch))
        }
    }
}
