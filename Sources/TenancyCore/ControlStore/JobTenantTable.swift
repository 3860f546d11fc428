package import JobModel
internal import PostgresClient
internal import Support

/// A tenant of a job as it is recorded when its page is read.
package struct TenantClaim: Sendable {
    package var result: TenantResult
    package let targetKey: Int64?
    /// Whether other replicas may claim the tenant.
    package var isOffered = false

    package init(result: TenantResult, targetKey: Int64?, isOffered: Bool = false) {
        self.result = result
        self.targetKey = targetKey
        self.isOffered = isOffered
    }
}

/// A claimed tenant as the table has it now.
package struct ClaimedTenant: Sendable, Equatable {
    /// A tenant found at its target is `succeeded` when an earlier lease of the same job moved it
    /// there and died before it could say so.
    package let state: TenantState
    /// The version rows that the job first found; what a relative target counts from.
    package let fromRevisions: [String]?
}

/// The tenants of jobs (`job_tenants`): which a job has claimed, and how they ended.
///
/// What their results tell of tenants beyond the job goes to `tenant_status` in the same statements,
/// and the numbers of events come from `jobs`.
package struct JobTenantTable: TableGroup {
    let pool: ControlPool
    let status: TenantStatusTable
    let clock: WallClock

    private static let tenantRecord = """
        tenant_id text, identifier text, target_key bigint, state text, from_revisions text[], \
        to_revisions text[], steps integer, planned text[], attempts integer, \
        started_at timestamptz, finished_at timestamptz, duration_ms bigint, failure json, \
        last_retry json, is_offered boolean, last_migration jsonb, last_reading jsonb
        """

    /// Rows of the JSON array `$1`; `place` counts those that have ended.
    private static let given = """
        given AS (
            SELECT *, count(*) FILTER (WHERE state NOT IN ('pending', 'running'))
                OVER (ROWS UNBOUNDED PRECEDING) AS place
            FROM json_to_recordset($1) AS r (\(tenantRecord))
        )
        """

    /// The job's row where the lease `$3` is still in force on job `$2`, with numbers for `count`
    /// results after its `base`. The row is locked until they are committed: who reads events by
    /// their numbers never sees a later one before an earlier.
    ///
    /// A replica that assists needs no lease of the job: its tenants are its own.
    private func leased(numbering count: Int, isAssistant: Bool = false) -> String {
        let isOwn = isAssistant ? "id = $2::uuid" : "id = $2::uuid AND lease_epoch = $3::bigint"
        let jobs = table("jobs")
        if count == 0 {
            return "leased AS (SELECT last_event AS base FROM \(jobs) WHERE \(isOwn) FOR SHARE)"
        }
        return """
            leased AS (
                UPDATE \(jobs) SET last_event = last_event + \(count) WHERE \(isOwn)
                RETURNING last_event - \(count) AS base
            )
            """
    }

    /// Records tenants of a job before anything is done to them, some of them ended already, and the
    /// revisions that are known of them.
    ///
    /// - Returns: by id, the tenants that are this lease's to work on, whether they are new, were
    ///   left by an earlier lease, or had been recorded by the same claim whose answer was lost.
    package func claim(
        _ claims: [TenantClaim], of request: JobRequest, job: JobID, lease: JobLease
    ) async throws(StatusError) -> [String: ClaimedTenant] {
        if claims.isEmpty { return [:] }
        let rows = try await run(
            """
            WITH \(JobTenantTable.given),
            \(leased(numbering: claims.count { $0.result.state.isFinal })),
            claimed AS (
                INSERT INTO \(table("job_tenants")) AS t (job_id, tenant_id, identifier, target_key,
                    state, from_revisions, to_revisions, steps, planned, attempts, started_at,
                    finished_at, duration_ms, failure, epoch, is_offered, event)
                SELECT $2::uuid, tenant_id, identifier, target_key, state, from_revisions,
                    to_revisions, steps, planned, attempts, started_at, finished_at, duration_ms,
                    failure, $3::bigint, is_offered,
                    CASE WHEN state NOT IN ('pending', 'running') THEN base + place END
                FROM given, leased
                ON CONFLICT (job_id, tenant_id) DO UPDATE SET epoch = excluded.epoch,
                    worker = NULL, is_offered = excluded.is_offered,
                    state = CASE WHEN excluded.state = 'skipped'
                        AND t.from_revisions <> excluded.from_revisions
                        THEN 'succeeded' ELSE excluded.state END,
                    to_revisions = excluded.to_revisions, failure = excluded.failure,
                    finished_at = excluded.finished_at,
                    event = coalesce(t.event, excluded.event),
                    from_revisions = coalesce(t.from_revisions, excluded.from_revisions)
                WHERE t.epoch = excluded.epoch AND t.worker IS NULL
                    OR t.epoch < excluded.epoch AND t.state IN ('pending', 'running')
                        AND (t.worker IS NULL OR NOT \(isAlive("t.worker")))
                RETURNING tenant_id, state, from_revisions
            ), known AS (
                \(status.upsert)
                WHERE tenant_id IN (SELECT tenant_id FROM claimed)
                    AND state NOT IN ('pending', 'running') ORDER BY tenant_id
                \(status.onKnownTenant)
            )
            SELECT tenant_id, state, array_to_json(from_revisions) AS from_revisions FROM claimed
            """, [render(claims, of: request, job), job.description, String(lease.epoch)])
        var claimed: [String: ClaimedTenant] = [:]
        for row in rows {
            guard let id = try row["tenant_id"],
                let state = try row.value("state", TenantState.init)
            else { continue }
            claimed[id] = ClaimedTenant(
                state: state, fromRevisions: try row.strings("from_revisions"))
        }
        return claimed
    }

    /// Records which rows the job finds its tenants at, before the first step from there.
    ///
    /// - Throws: also when the tenants are no longer this lease's; nothing may be done to them then.
    package func recordStart(
        of tenantIDs: [String], from rows: [String], job: JobID, lease: JobLease
    ) async throws(StatusError) {
        let recorded = try await run(
            """
            UPDATE \(table("job_tenants")) SET from_revisions = $3::text[]
            WHERE job_id = $1::uuid AND tenant_id = ANY($2::text[]) AND
                \(lease.isAssistant
                    ? "worker = $4::uuid"
                    : "epoch = $4::bigint AND \(isLeased(job: 1, epoch: 4))")
            RETURNING tenant_id
            """,
            [
                job.description, SQLText.arrayParameter(tenantIDs), SQLText.arrayParameter(rows),
                lease.isAssistant ? lease.replica : String(lease.epoch),
            ])
        if recorded.count < tenantIDs.count { throw .leaseLost }
    }

    /// Ends the tenants of a job that only earlier leases recorded, but for those that live
    /// replicas have claimed.
    ///
    /// - Returns: their results, the same ones when asked again.
    package func endUnclaimed(
        _ failure: TenantFailure, job: JobID, lease: JobLease
    ) async throws(StatusError) -> [TenantResult] {
        let stored: JSONValue = ["message": .string(failure.message), "detail": failure.json]
        let isOpen = """
            epoch < $2::bigint AND state IN ('pending', 'running')
                AND (worker IS NULL OR NOT \(isAlive("worker")))
            """
        let rows = try await run(
            """
            WITH gone AS (
                SELECT tenant_id AS id, row_number() OVER (ORDER BY tenant_id) AS place
                FROM \(table("job_tenants")) WHERE job_id = $1::uuid AND (\(isOpen)
                    OR epoch = $2::bigint AND failure -> 'detail' ->> 'code' = $5)
            ), leased AS (
                UPDATE \(table("jobs")) SET
                    last_event = last_event + (SELECT count(*) FROM gone)
                WHERE id = $1::uuid AND lease_epoch = $2::bigint
                RETURNING last_event - (SELECT count(*) FROM gone) AS base
            )
            UPDATE \(table("job_tenants")) SET state = 'failed', failure = $3::jsonb,
                finished_at = $4::timestamptz, epoch = $2::bigint,
                event = coalesce(event, base + place)
            FROM gone, leased WHERE job_id = $1::uuid AND tenant_id = gone.id
            RETURNING \(TenantResultRow.columns)
            """,
            [
                job.description, String(lease.epoch), stored.renderedString(),
                clock.now.description, failure.code.description,
            ])
        return try rows.read(TenantResultRow.read)
    }

    /// Records how tenants ended, and what is now known of them.
    ///
    /// - Throws: also when the job's row is gone, with which the tenants' rows have gone.
    package func record(
        _ results: [TenantResult], of request: JobRequest, job: JobID, lease: JobLease
    ) async throws(StatusError) {
        if results.isEmpty { return }
        let rows = try await run(
            """
            WITH \(JobTenantTable.given),
            \(leased(
                numbering: results.count { $0.state.isFinal }, isAssistant: lease.isAssistant)),
            ended AS (
                UPDATE \(table("job_tenants")) AS t SET (state, from_revisions, to_revisions, steps,
                    planned, attempts, started_at, finished_at, duration_ms, failure, last_retry,
                    event) =
                    (g.state, g.from_revisions, g.to_revisions, g.steps, g.planned, g.attempts,
                    g.started_at, g.finished_at, g.duration_ms, g.failure, g.last_retry,
                    coalesce(t.event, base + place))
                FROM given AS g, leased WHERE t.job_id = $2::uuid AND t.tenant_id = g.tenant_id
                    AND \(lease.isAssistant
                        ? "t.worker = $3::uuid AND t.state IN ('pending', 'running')"
                        : "t.epoch = $3::bigint AND t.worker IS NULL")
            ), known AS (
                \(status.upsert)
                ORDER BY tenant_id
                \(status.onKnownTenant)
            )
            SELECT state_reason FROM \(table("jobs")) WHERE id = $2::uuid
            """,
            [
                render(results, of: request, job), job.description,
                lease.isAssistant ? lease.replica : String(lease.epoch),
            ])
        guard let row = rows.first else { throw .jobGone }
        let reason = try row["state_reason"]
        if lease.isAssistant && reason == JobSnapshot.controlDatabaseRecreated {
            try await recordLate(results, of: request, job: job, lease: lease)
        }
    }

    /// Results as the JSON array that a statement takes for rows.
    package func render(_ results: [TenantResult], of request: JobRequest, _ job: JobID) -> String {
        render(results.map { TenantClaim(result: $0, targetKey: nil) }, of: request, job)
    }

    private func render(_ claims: [TenantClaim], of request: JobRequest, _ job: JobID) -> String {
        JSONValue.array(
            claims.map {
                TenantResultRow.json($0, known: LastResults($0.result, of: request, job: job))
            }
        ).renderedString()
    }

    /// Records results of a replica that assisted in a restored job. The leading replica has counted
    /// their tenants as cancelled, since it could not know how they ended.
    private func recordLate(
        _ results: [TenantResult], of request: JobRequest, job: JobID, lease: JobLease
    ) async throws(StatusError) {
        let ended = ["succeeded", "skipped", "failed"]
        let moves = ended.map { "\($0) = \($0) + (SELECT \($0) FROM late)" }
        let counts = ended.map { "count(*) FILTER (WHERE state = '\($0)') AS \($0)" }
        try await run(
            """
            WITH \(JobTenantTable.given),
            fresh AS (
                SELECT *, row_number() OVER (ORDER BY tenant_id) AS number FROM given
                WHERE state NOT IN ('pending', 'running') AND tenant_id NOT IN (
                    SELECT tenant_id FROM \(table("job_tenants")) WHERE job_id = $2::uuid)
            ), late AS (
                SELECT count(*) AS total, \(counts.joined(separator: ", ")) FROM fresh
            ), counted AS (
                UPDATE \(table("jobs")) SET \(moves.joined(separator: ", ")),
                    cancelled = cancelled
                        - (SELECT succeeded + skipped + failed FROM late),
                    last_event = last_event + (SELECT total FROM late), version = version + 1
                WHERE id = $2::uuid AND cancelled >= (SELECT total FROM late)
                RETURNING last_event - (SELECT total FROM late) AS base
            )
            INSERT INTO \(table("job_tenants")) (job_id, tenant_id, identifier, state,
                from_revisions, to_revisions, steps, planned, attempts, started_at, finished_at,
                duration_ms, failure, last_retry, epoch, worker, event)
            SELECT $2::uuid, tenant_id, identifier, state, from_revisions, to_revisions, steps,
                planned, attempts, started_at, finished_at, duration_ms, failure, last_retry, 0,
                $3::uuid, base + number
            FROM fresh, counted
            """, [render(results, of: request, job), job.description, lease.replica])
    }
}
