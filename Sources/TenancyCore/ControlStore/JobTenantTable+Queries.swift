package import JobModel
internal import PostgresClient

/// One of a tenant's results, with the job that it belongs to.
package struct HistoryEntry: Sendable, Equatable {
    package let job: JobID
    package let operation: JobOperation
    package let target: String
    package let dryRun: DryRun
    package let result: TenantResult
}

/// What is read of the tenants of jobs.
extension JobTenantTable {
    /// Results in the order of tenant ids, after `tenantID` where it is given.
    package func results(
        of job: JobID, states: [TenantState], limit: Int, after tenantID: String?
    ) async throws(StatusError) -> [TenantResult] {
        let rows = try await run(
            """
            SELECT \(TenantResultRow.columns(state: "shown")) FROM (
                SELECT *, CASE WHEN state = 'pending' AND tenant_id IN (
                        SELECT unnest(running) FROM \(table("job_shares")) AS s
                        WHERE job_id = $1::uuid AND \(isAlive("s.replica")))
                    THEN 'running' ELSE state END AS shown
                FROM \(table("job_tenants")) WHERE job_id = $1::uuid
            ) AS t
            WHERE ($2::text IS NULL OR tenant_id > $2)
                AND ($3::text[] = '{}' OR shown = ANY($3::text[]))
            ORDER BY tenant_id LIMIT \(limit)
            """,
            [
                job.description, tenantID, SQLText.arrayParameter(states.map(\.rawValue)),
            ])
        return try rows.read(TenantResultRow.read)
    }

    /// Results in the order in which they were recorded, after the event `number`.
    package func events(
        of job: JobID, after number: Int64, limit: Int
    ) async throws(StatusError) -> [RecordedResult] {
        let rows = try await run(
            """
            SELECT \(TenantResultRow.columns), event FROM \(table("job_tenants"))
            WHERE job_id = $1::uuid AND event > $2::bigint ORDER BY event LIMIT \(limit)
            """, [job.description, String(number)])
        return try rows.read { row throws(StatusError) in
            guard let result = try TenantResultRow.read(row),
                let number = try row.bigInteger("event")
            else { return nil }
            return RecordedResult(number: number, result: result)
        }
    }

    /// Which of `ids` the job has not recorded yet.
    package func unseen(_ ids: [String], job: JobID) async throws(StatusError) -> Set<String> {
        let rows = try await run(
            """
            SELECT id FROM unnest($1::text[]) AS given(id) WHERE NOT EXISTS (
                SELECT FROM \(table("job_tenants")) WHERE job_id = $2::uuid AND tenant_id = id)
            """, [SQLText.arrayParameter(ids), job.description])
        return Set(try rows.read { row throws(StatusError) in try row["id"] })
    }

    /// The result of a tenant of the job whose target has this key and that has ended.
    package func ended(onTarget key: Int64, job: JobID) async throws(StatusError) -> TenantResult? {
        let rows = try await run(
            """
            SELECT \(TenantResultRow.columns) FROM \(table("job_tenants"))
            WHERE job_id = $1::uuid AND target_key = $2::bigint
                AND state NOT IN ('pending', 'running') LIMIT 1
            """, [job.description, String(key)])
        return try rows.first.flatMap(TenantResultRow.read)
    }

    /// The keys of the targets that have tenants that have ended, the numbers of those by state, and
    /// the newest event, all as of one moment.
    package func endedTargets(
        of job: JobID
    ) async throws(StatusError) -> (keys: [Int64], counts: JobCounts, lastEvent: Int64) {
        let rows = try await run(
            """
            SELECT state, count(*) AS count, string_agg(DISTINCT target_key::text, ',') AS keys,
                (SELECT last_event FROM \(table("jobs")) WHERE id = $1::uuid) AS last_event
            FROM \(table("job_tenants"))
            WHERE job_id = $1::uuid AND state NOT IN ('pending', 'running') GROUP BY state
            """, [job.description])
        var counts = JobCounts()
        var keys: [Int64] = []
        let last = try rows.first?.bigInteger("last_event") ?? 0
        for row in rows {
            if let state = try row.value("state", TenantState.init),
                let count = try row.integer("count")
            {
                counts.add(count, to: state)
            }
            keys += (try row["keys"] ?? "").split(separator: ",").compactMap { Int64($0) }
        }
        return (keys, counts, last)
    }

    /// Ids of a job's tenants in any of `states`, in order, after `tenantID`.
    package func tenantIDs(
        of job: JobID, states: [TenantState], limit: Int, after tenantID: String?
    ) async throws(StatusError) -> [String] {
        try await results(of: job, states: states, limit: limit, after: tenantID).map(\.tenantID)
    }

    /// A tenant's results over all jobs, newest job first.
    package func history(
        of tenantID: String, limit: Int, before job: JobID?
    ) async throws(StatusError) -> [HistoryEntry] {
        let rows = try await run(
            """
            SELECT \(TenantResultRow.columns), job_id,
                (SELECT operation FROM \(table("jobs")) WHERE id = job_id) AS operation,
                (SELECT target FROM \(table("jobs")) WHERE id = job_id) AS target,
                (SELECT request ->> 'dry_run' FROM \(table("jobs")) WHERE id = job_id) AS dry_run
            FROM \(table("job_tenants"))
            WHERE tenant_id = $1 AND ($2::uuid IS NULL OR job_id < $2::uuid)
            ORDER BY job_id DESC LIMIT \(limit)
            """, [tenantID, job?.description])
        return try rows.read { row throws(StatusError) in
            guard let result = try TenantResultRow.read(row),
                let job = try row.value("job_id", JobID.init),
                let operation = try row.value("operation", JobOperation.init),
                let target = try row["target"]
            else { return nil }
            return HistoryEntry(
                job: job, operation: operation, target: target,
                dryRun: try row.value("dry_run", DryRun.init) ?? .none, result: result)
        }
    }
}
