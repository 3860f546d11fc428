package import Engine
internal import JobModel
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

/// What is known of tenants over all jobs (`tenant_status`).
package struct TenantStatusTable: TableGroup {
    let pool: ControlPool

    /// Records what results tell of their tenants, given as rows of `given`: the part of a statement
    /// that writes `job_tenants`, too.
    ///
    /// `last_job` and its like, by which replicas of the release before know the last job, move with
    /// migrations only.
    var upsert: String {
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

    /// Records what was just read of a tenant outside a job.
    package func recordReading(
        of tenant: TenantName, revisions: [String], at moment: Timestamp
    ) async throws(StatusError) {
        try await run(
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
    package func find(
        _ tenantIDs: [String]
    ) async throws(StatusError) -> [String: TenantStatusRecord] {
        let rows = try await run(
            """
            SELECT \(TenantStatusRecord.columns)
            FROM \(table("tenant_status")) LEFT JOIN \(table("jobs")) ON id = last_job
                AND last_job IS DISTINCT FROM (last_migration ->> 'job_id')::uuid
            WHERE tenant_id = ANY($1::text[])
            """, [SQLText.arrayParameter(tenantIDs)])
        let records = try rows.read(TenantStatusRecord.read)
        return Dictionary(records.map { ($0.tenantID, $0) }) { first, _ in first }
    }

    /// Tenants whose last migration may have failed, in the order of their ids, after `tenantID`.
    package func suspectedFailures(
        limit: Int, after tenantID: String?
    ) async throws(StatusError) -> [String] {
        let rows = try await run(
            """
            SELECT tenant_id FROM \(table("tenant_status"))
            WHERE (last_migration ->> 'state' = 'failed' OR last_state = 'failed')
                AND ($1::text IS NULL OR tenant_id > $1) ORDER BY tenant_id LIMIT \(limit)
            """, [tenantID])
        return try rows.read { row throws(StatusError) in try row["tenant_id"] }
    }
}

extension TenantStatusRecord {
    /// What `read` reads.
    static let columns: [SelectedColumn] =
        [SelectedColumn("tenant_id"), .array("revisions"), .milliseconds("read_at")]
        + LastResultColumns.migration.selected + LastResultColumns.reading.selected
        + LastResultColumns.ofOlderReplicas.selected
        + [SelectedColumn("dry_run", "request ->> 'dry_run'")]

    static func read(_ row: Row) throws(StatusError) -> TenantStatusRecord? {
        guard let id = try row["tenant_id"] else { return nil }
        var last = LastResults(
            migration: try LastResultColumns.migration.read(row),
            reading: try LastResultColumns.reading.read(row))
        if let other = try LastResultColumns.ofOlderReplicas.read(row) {
            let dryRun = try row.value("dry_run", DryRun.init) ?? .none
            // A job that was deleted is taken for a migration, as that release does.
            last.merge(other, changesTenants: other.operation?.changesTenants(dryRun) ?? true)
        }
        return TenantStatusRecord(
            tenantID: id, revisions: try row.strings("revisions"),
            readAt: try row.timestamp("read_at"), last: last)
    }
}

/// A last result as `tenant_status` has it.
private struct LastResultColumns {
    let job: SelectedColumn
    let operation: SelectedColumn
    let state: SelectedColumn
    let error: SelectedColumn
    let finishedAt: SelectedColumn

    static let migration = LastResultColumns("migration", in: "last_migration")
    static let reading = LastResultColumns("reading", in: "last_reading")
    /// What replicas of the release before write, with the operation of the job that was joined.
    static let ofOlderReplicas = LastResultColumns(
        job: SelectedColumn("last_job"), operation: SelectedColumn("operation"),
        state: SelectedColumn("last_state"), error: SelectedColumn("last_error"),
        finishedAt: .milliseconds("last_finished_at"))

    var selected: [SelectedColumn] { [job, operation, state, error, finishedAt] }

    func read(_ row: Row) throws(StatusError) -> LastResult? {
        let job = try row.value(job.name, JobID.init)
        let operation = try row.value(operation.name, JobOperation.init)
        let error = try row[error.name]
        guard let state = try row.value(state.name, TenantState.init),
            let finishedAt = try row.timestamp(finishedAt.name)
        else { return nil }
        return LastResult(
            job: job, operation: operation, state: state, error: error, finishedAt: finishedAt)
    }
}

extension LastResultColumns {
    /// The members of the JSON column `column`.
    fileprivate init(_ prefix: String, in column: String) {
        func member(_ name: String, _ key: String) -> SelectedColumn {
            SelectedColumn("\(prefix)_\(name)", "\(column) ->> '\(key)'")
        }
        self.init(
            job: member("job", "job_id"), operation: member("op", "operation"),
            state: member("state", "state"), error: member("error", "error"),
            finishedAt: .milliseconds(
                "\(prefix)_end", of: "(\(column) ->> 'finished_at')::timestamptz"))
    }
}
