package import JobModel
internal import Support

/// What is recorded of jobs whose rows went with the control database.
extension StatusStore {
    /// Writes down again how a job stands whose row went with the control database, and what is
    /// known of its tenants. Ignored when the row is there.
    package func restore(
        _ job: JobSnapshot, results: [TenantResult], lease: JobLease, migrations: String
    ) async throws(StatusError) {
        let rows = try await run(
            """
            INSERT INTO \(table("jobs")) (\(JobRow.names))
            SELECT \(JobRow.names) FROM
                jsonb_populate_record(NULL::\(table("jobs")), $1::jsonb || jsonb_build_object(
                    'lease_until', now(), 'migrations', $2::text)) AS r
            ON CONFLICT (id) DO NOTHING RETURNING id
            """, [JobRow(job, lease: lease).json.renderedString(), migrations])
        if rows.isEmpty { return }
        _ = try await claim(
            results.map { TenantClaim(result: $0, targetKey: nil) }, of: job.request, job: job.id,
            lease: lease)
    }

    /// Records results of a daemon that assisted in a restored job. The leading daemon has counted
    /// their tenants as cancelled, since it could not know how they ended.
    func recordLate(
        _ results: [TenantResult], of request: JobRequest, job: JobID, lease: JobLease
    ) async throws(StatusError) {
        let ended = ["succeeded", "skipped", "failed"]
        let moves = ended.map { "\($0) = \($0) + (SELECT \($0) FROM late)" }
        let counts = ended.map { "count(*) FILTER (WHERE state = '\($0)') AS \($0)" }
        _ = try await run(
            """
            WITH \(StatusStore.given),
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
