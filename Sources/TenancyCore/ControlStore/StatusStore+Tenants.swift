package import JobModel
internal import PostgresClient
internal import Support

/// A tenant of a job as it is recorded when its page is read.
package struct TenantClaim: Sendable {
    package var result: TenantResult
    package let targetKey: Int64?
    /// Whether other daemons may take the tenant over.
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

extension StatusStore {
    private static let tenantRecord = """
        tenant_id text, identifier text, target_key bigint, state text, from_revisions text[], \
        to_revisions text[], steps integer, planned text[], attempts integer, \
        started_at timestamptz, finished_at timestamptz, duration_ms bigint, failure json, \
        last_retry json, is_offered boolean, last_migration jsonb, last_reading jsonb
        """

    /// Whether the lease is still the job's, and stays it until the statement is through. Who holds a
    /// later one has counted what had ended by then, and nothing may end behind its back.
    func isLeased(job: Int, epoch: Int) -> String {
        """
        EXISTS (SELECT FROM \(table("jobs")) WHERE id = $\(job)::uuid \
        AND lease_epoch = $\(epoch)::bigint FOR SHARE)
        """
    }

    /// Rows of the JSON array `$1`; `place` counts those that have ended.
    static let given = """
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
    /// A daemon that assists needs no lease of the job: its tenants are its own.
    private func leased(numbering count: Int, isAssistant: Bool = false) -> String {
        let mine = isAssistant ? "id = $2::uuid" : "id = $2::uuid AND lease_epoch = $3::bigint"
        let jobs = table("jobs")
        if count == 0 {
            return "leased AS (SELECT last_event AS base FROM \(jobs) WHERE \(mine) FOR SHARE)"
        }
        return """
            leased AS (
                UPDATE \(jobs) SET last_event = last_event + \(count) WHERE \(mine)
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
            WITH \(StatusStore.given),
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
                \(upsertStatus)
                WHERE tenant_id IN (SELECT tenant_id FROM claimed)
                    AND state NOT IN ('pending', 'running') ORDER BY tenant_id
                \(onKnownTenant)
            )
            SELECT tenant_id, state, array_to_json(from_revisions) FROM claimed
            """, [render(claims, of: request, job), job.description, String(lease.epoch)])
        var claimed: [String: ClaimedTenant] = [:]
        for row in rows {
            guard let id = row[0], let state = row[1].flatMap(TenantState.init) else { continue }
            claimed[id] = ClaimedTenant(
                state: state, fromRevisions: row[2].flatMap(JobRow.readStrings))
        }
        return claimed
    }

    /// Notes which rows the job finds its tenants at, before the first step from there.
    ///
    /// - Throws: also when the tenants are no longer this lease's; nothing may be done to them then.
    package func noteStart(
        of tenantIDs: [String], from rows: [String], job: JobID, lease: JobLease
    ) async throws(StatusError) {
        let noted = try await run(
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
        if noted.count < tenantIDs.count { throw .leaseLost }
    }

    /// Ends the tenants of a job that only earlier leases recorded, but for those that daemons which
    /// live have taken over.
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
        return rows.compactMap(TenantResultRow.read)
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
            WITH \(StatusStore.given),
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
                \(upsertStatus)
                ORDER BY tenant_id
                \(onKnownTenant)
            )
            SELECT state_reason FROM \(table("jobs")) WHERE id = $2::uuid
            """,
            [
                render(results, of: request, job), job.description,
                lease.isAssistant ? lease.replica : String(lease.epoch),
            ])
        guard let row = rows.first else { throw .jobGone }
        if lease.isAssistant && row[0] == JobSnapshot.controlDatabaseRecreated {
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
        return rows.compactMap(TenantResultRow.read)
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
        return rows.compactMap { row in
            guard let result = TenantResultRow.read(row),
                let number = row.last?.flatMap({ Int64($0) })
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
        return Set(rows.compactMap { $0[0] })
    }

    /// The result of a tenant of the job whose target has this key and that has ended.
    package func ended(onTarget key: Int64, job: JobID) async throws(StatusError) -> TenantResult? {
        let rows = try await run(
            """
            SELECT \(TenantResultRow.columns) FROM \(table("job_tenants"))
            WHERE job_id = $1::uuid AND target_key = $2::bigint
                AND state NOT IN ('pending', 'running') LIMIT 1
            """, [job.description, String(key)])
        return rows.first.flatMap(TenantResultRow.read)
    }

    /// The keys of the targets that have tenants that have ended, the numbers of those by state, and
    /// the newest event, all as of one moment.
    package func endedTargets(
        of job: JobID
    ) async throws(StatusError) -> (keys: [Int64], counts: JobCounts, lastEvent: Int64) {
        let rows = try await run(
            """
            SELECT state, count(*), string_agg(DISTINCT target_key::text, ','),
                (SELECT last_event FROM \(table("jobs")) WHERE id = $1::uuid)
            FROM \(table("job_tenants"))
            WHERE job_id = $1::uuid AND state NOT IN ('pending', 'running') GROUP BY state
            """, [job.description])
        var counts = JobCounts()
        var keys: [Int64] = []
        let last = rows.first?[3].flatMap { Int64($0) } ?? 0
        for row in rows {
            if let state = row[0].flatMap(TenantState.init), let count = row[1].flatMap({ Int($0) })
            {
                counts.add(count, to: state)
            }
            keys += (row[2] ?? "").split(separator: ",").compactMap { Int64($0) }
        }
        return (keys, counts, last)
    }

    /// Ids of a job's tenants in any of `states`, in order, after `tenantID`.
    package func tenantIDs(
        of job: JobID, states: [TenantState], limit: Int, after tenantID: String?
    ) async throws(StatusError) -> [String] {
        try await results(of: job, states: states, limit: limit, after: tenantID).map(\.tenantID)
    }
}
