package import Engine
package import JobModel
internal import PostgresClient
package import Support

/// What is known of a tenant outside any one job.
package struct TenantStatusRecord: Sendable, Equatable {
    package let tenantID: String
    /// The version rows when they were last read; `nil` when they never were, empty at base.
    package let revisions: [String]?
    package let readAt: Timestamp?
    /// How its last migration and its last reading ended.
    package let last: LastResults
}

/// One of a tenant's results, with the job that it belongs to.
package struct HistoryEntry: Sendable, Equatable {
    package let job: JobID
    package let operation: JobOperation
    package let target: String
    package let dryRun: DryRun
    package let result: TenantResult
}

/// What is known of tenants over all jobs.
extension StatusStore {
    /// Notes what results tell of their tenants, given as rows of `given`.
    ///
    /// `last_job` and its like, by which daemons of the release before know the last job, move with
    /// migrations only.
    var upsertStatus: String {
        """
        INSERT INTO \(table("tenant_status")) AS s (tenant_id, identifier, revisions, read_at,
            last_migration, last_reading, last_job, last_state, last_error, last_finished_at)
        SELECT tenant_id, identifier, to_revisions,
            CASE WHEN to_revisions IS NOT NULL THEN finished_at END, last_migration, last_reading,
            (last_migration ->> 'job_id')::uuid, last_migration ->> 'state',
            last_migration ->> 'error', (last_migration ->> 'finished_at')::timestamptz
        FROM given
        """
    }

    /// A reading is kept when the job learned none: the last known revision is better than nothing,
    /// and its time says how old it is.
    var onKnownTenant: String {
        """
        ON CONFLICT (tenant_id) DO UPDATE SET identifier = excluded.identifier,
            revisions = coalesce(excluded.revisions, s.revisions),
            read_at = coalesce(excluded.read_at, s.read_at),
            last_migration = coalesce(excluded.last_migration, s.last_migration),
            last_reading = coalesce(excluded.last_reading, s.last_reading),
            last_job = coalesce(excluded.last_job, s.last_job),
            last_state = coalesce(excluded.last_state, s.last_state),
            last_error = CASE WHEN excluded.last_job IS NULL
                THEN s.last_error ELSE excluded.last_error END,
            last_finished_at = coalesce(excluded.last_finished_at, s.last_finished_at)
        """
    }

    /// Notes what was just read of a tenant outside a job.
    package func recordReading(
        of tenant: TenantName, revisions: [String], at moment: Timestamp
    ) async throws(StatusError) {
        _ = try await run(
            """
            INSERT INTO \(table("tenant_status")) (tenant_id, identifier, revisions, read_at,
                last_reading)
            VALUES ($1, $2, $3::text[], $4::timestamptz, $5::jsonb)
            ON CONFLICT (tenant_id) DO UPDATE SET identifier = excluded.identifier,
                revisions = excluded.revisions, read_at = excluded.read_at,
                last_reading = excluded.last_reading
            """,
            [
                tenant.id, tenant.identifier, SQLText.arrayParameter(revisions),
                moment.description,
                LastResult(job: nil, operation: nil, state: .succeeded, finishedAt: moment)
                    .stored.renderedString(),
            ])
    }

    /// What is known of tenants, by id; nothing for those never heard of.
    package func statuses(_ tenantIDs: [String]) async throws(StatusError) -> [String:
        TenantStatusRecord]
    {
        let rows = try await run(
            """
            SELECT tenant_id, array_to_json(revisions), \(JobRow.milliseconds("read_at")),
                \(LastResultRow.columns("last_migration")),
                \(LastResultRow.columns("last_reading")),
                last_job, operation, last_state, last_error,
                \(JobRow.milliseconds("last_finished_at")), request ->> 'dry_run'
            FROM \(table("tenant_status")) LEFT JOIN \(table("jobs")) ON id = last_job
                AND last_job IS DISTINCT FROM (last_migration ->> 'job_id')::uuid
            WHERE tenant_id = ANY($1::text[])
            """, [SQLText.arrayParameter(tenantIDs)])
        var records: [String: TenantStatusRecord] = [:]
        for row in rows {
            guard let id = row[0] else { continue }
            records[id] = TenantStatusRecord(
                tenantID: id, revisions: row[1].flatMap(JobRow.readStrings),
                readAt: JobRow.timestamp(row[2]), last: LastResultRow.readAll(row[3...]))
        }
        return records
    }

    /// Tenants whose last migration may have failed, in the order of their ids, after `tenantID`.
    package func suspectedFailures(
        limit: Int, after tenantID: String?
    ) async throws(StatusError) -> [String] {
        try await run(
            """
            SELECT tenant_id FROM \(table("tenant_status"))
            WHERE (last_migration ->> 'state' = 'failed' OR last_state = 'failed')
                AND ($1::text IS NULL OR tenant_id > $1) ORDER BY tenant_id LIMIT \(limit)
            """, [tenantID]
        ).compactMap { $0[0] }
    }

    /// A tenant's results over all jobs, newest job first.
    package func history(
        of tenantID: String, limit: Int, before job: JobID?
    ) async throws(StatusError) -> [HistoryEntry] {
        let rows = try await run(
            """
            SELECT \(TenantResultRow.columns), job_id,
                (SELECT operation FROM \(table("jobs")) WHERE id = job_id),
                (SELECT target FROM \(table("jobs")) WHERE id = job_id),
                (SELECT request ->> 'dry_run' FROM \(table("jobs")) WHERE id = job_id)
            FROM \(table("job_tenants"))
            WHERE tenant_id = $1 AND ($2::uuid IS NULL OR job_id < $2::uuid)
            ORDER BY job_id DESC LIMIT \(limit)
            """, [tenantID, job?.description])
        return rows.compactMap { row in
            guard let result = TenantResultRow.read(row), let job = row[13].flatMap(JobID.init),
                let operation = row[14].flatMap(JobOperation.init), let target = row[15]
            else { return nil }
            return HistoryEntry(
                job: job, operation: operation, target: target,
                dryRun: row[16].flatMap(DryRun.init) ?? .none, result: result)
        }
    }
}

/// Last results as `tenant_status` has them.
enum LastResultRow {
    /// What `read` reads of one of the JSON columns.
    static func columns(_ column: String) -> String {
        """
        \(column) ->> 'job_id', \(column) ->> 'operation', \(column) ->> 'state', \
        \(column) ->> 'error', \
        \(JobRow.milliseconds("(\(column) ->> 'finished_at')::timestamptz"))
        """
    }

    /// Reads both kinds, and what a daemon of the release before wrote beside them.
    static func readAll(_ row: ArraySlice<String?>) -> LastResults {
        let columns = Array(row)
        var last = LastResults(migration: read(columns[0..<5]), reading: read(columns[5..<10]))
        if let other = read(columns[10..<15]) {
            let dryRun = columns[15].flatMap(DryRun.init) ?? .none
            // A job that was deleted is taken for a migration, as that release does.
            last.merge(other, changesTenants: other.operation?.changesTenants(dryRun) ?? true)
        }
        return last
    }

    private static func read(_ row: ArraySlice<String?>) -> LastResult? {
        let columns = Array(row)
        guard let state = columns[2].flatMap(TenantState.init),
            let finishedAt = JobRow.timestamp(columns[4])
        else { return nil }
        return LastResult(
            job: columns[0].flatMap(JobID.init), operation: columns[1].flatMap(JobOperation.init),
            state: state, error: columns[3], finishedAt: finishedAt)
    }
}
