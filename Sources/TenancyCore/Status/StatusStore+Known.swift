/// What is known of a tenant outside any one job.
public struct TenantStatusRecord: Sendable, Equatable {
    public let tenantID: String
    /// The version rows when they were last read; `nil` when they never were, empty at base.
    public let revisions: [String]?
    public let readAt: Timestamp?
    public let lastJob: JobID?
    public let lastState: TenantState?
    public let lastError: String?
    public let lastFinishedAt: Timestamp?
}

/// One of a tenant's results, with the job that it belongs to.
public struct HistoryEntry: Sendable, Equatable {
    public let job: JobID
    public let operation: JobOperation
    public let target: String
    public let result: TenantResult
}

/// What is known of tenants over all jobs.
extension StatusStore {
    /// Notes what was just read of a tenant outside a job.
    func recordReading(
        of tenant: TenantName, revisions: [String], at moment: Timestamp
    ) async throws(StatusError) {
        _ = try await run(
            """
            INSERT INTO \(table("tenant_status")) (tenant_id, identifier, revisions, read_at)
            VALUES ($1, $2, $3::text[], $4::timestamptz)
            ON CONFLICT (tenant_id) DO UPDATE SET identifier = excluded.identifier,
                revisions = excluded.revisions, read_at = excluded.read_at
            """,
            [
                tenant.id, tenant.identifier, SQLText.arrayParameter(revisions),
                moment.description,
            ])
    }

    func statuses(_ tenantIDs: [String]) async throws(StatusError) -> [String: TenantStatusRecord] {
        let rows = try await run(
            """
            SELECT tenant_id, array_to_json(revisions), \(JobRow.milliseconds("read_at")), last_job,
                last_state, last_error, \(JobRow.milliseconds("last_finished_at"))
            FROM \(table("tenant_status")) WHERE tenant_id = ANY($1::text[])
            """, [SQLText.arrayParameter(tenantIDs)])
        var records: [String: TenantStatusRecord] = [:]
        for row in rows {
            guard let id = row[0] else { continue }
            records[id] = TenantStatusRecord(
                tenantID: id, revisions: row[1].flatMap(JobRow.readStrings),
                readAt: JobRow.timestamp(row[2]), lastJob: row[3].flatMap(JobID.init),
                lastState: row[4].flatMap(TenantState.init), lastError: row[5],
                lastFinishedAt: JobRow.timestamp(row[6]))
        }
        return records
    }

    /// A tenant's results over all jobs, newest job first.
    func history(
        of tenantID: String, limit: Int, before job: JobID?
    ) async throws(StatusError) -> [HistoryEntry] {
        let rows = try await run(
            """
            SELECT \(TenantResultRow.columns), job_id,
                (SELECT operation FROM \(table("jobs")) WHERE id = job_id),
                (SELECT target FROM \(table("jobs")) WHERE id = job_id)
            FROM \(table("job_tenants"))
            WHERE tenant_id = $1 AND ($2::uuid IS NULL OR job_id < $2::uuid)
            ORDER BY job_id DESC LIMIT \(limit)
            """, [tenantID, job?.description])
        return rows.compactMap { row in
            guard let result = TenantResultRow.read(row), let job = row[13].flatMap(JobID.init),
                let operation = row[14].flatMap(JobOperation.init), let target = row[15]
            else { return nil }
            return HistoryEntry(job: job, operation: operation, target: target, result: result)
        }
    }
}
