package import Engine
package import JobModel
internal import PostgresClient
internal import Revisions
internal import Support

/// An unfinished step, with the job that began it.
package struct OpenStep: Sendable, Equatable {
    package let step: UnfinishedStep
    package let job: JobID
    /// Whether the job lives, and so has the step in hand.
    package let isHeld: Bool
}

/// Unfinished steps (`step_journal`), one a target.
package struct StepJournalTable: TableGroup {
    let pool: ControlPool

    /// The unfinished step of a target, if there is one.
    package func find(
        ofTarget key: Int64
    ) async throws(StatusError) -> UnfinishedStep? {
        let rows = try await run(
            """
            SELECT \(UnfinishedStepRow.columns) FROM \(table("step_journal"))
            WHERE target_key = $1::bigint
            """, [String(key)])
        return try rows.first.flatMap(UnfinishedStepRow.read)
    }

    /// The unfinished step of a target, and the job that began it.
    package func openStep(ofTarget key: Int64) async throws(StatusError) -> OpenStep? {
        let rows = try await run(
            """
            SELECT \(UnfinishedStepRow.columns), job_id, \(isHeld("s")) AS is_held
            FROM \(table("step_journal")) AS s WHERE target_key = $1::bigint
            """, [String(key)])
        guard let row = rows.first, let step = try UnfinishedStepRow.read(row),
            let job = try row.value("job_id", JobID.init)
        else { return nil }
        return OpenStep(step: step, job: job, isHeld: try row.isTrue("is_held"))
    }

    /// Whether the job that wrote the row `name` of the journal still lives under its lease.
    private func isHeld(_ name: String) -> String {
        """
        EXISTS (SELECT FROM \(table("jobs")) AS j WHERE j.id = \(name).job_id
            AND j.finished_at IS NULL AND (\(name).replica IS NULL
                AND j.lease_epoch = \(name).epoch AND j.lease_until > now()
                OR \(isAlive("\(name).replica"))))
        """
    }

    /// Lets the statement that was interrupted count as not begun.
    package func clearBegun(ofTarget key: Int64) async throws(StatusError) {
        try await run(
            """
            UPDATE \(table("step_journal")) SET doubt = NULL, updated_at = now(),
                detail = jsonb_set(detail, '{begun}', 'null')
            WHERE target_key = $1::bigint
            """, [String(key)])
    }

    /// Which of the targets have an unfinished step.
    package func unfinishedTargets(among keys: [Int64]) async throws(StatusError) -> Set<Int64> {
        let rows = try await run(
            """
            SELECT target_key FROM \(table("step_journal")) WHERE target_key = ANY($1::bigint[])
            """, [SQLText.arrayParameter(keys.map { String($0) })])
        return Set(try rows.read { row throws(StatusError) in try row.bigInteger("target_key") })
    }

    /// Writes how far a step has come.
    ///
    /// - Returns: false when the lease is no longer the job's, or another job that lives has the step.
    func write(
        _ step: UnfinishedStep, ofTarget key: Int64, tenants: [String], job: JobID, lease: JobLease
    ) async throws(StatusError) -> Bool {
        let rows = try await run(
            """
            INSERT INTO \(table("step_journal")) AS s (target_key, tenant_ids, job_id, epoch,
                revision, direction, unit, statement, doubt, detail, replica, updated_at)
            SELECT $1::bigint, $2::text[], $3::uuid, $4::bigint, $5, $6, $7::integer, $8, $9,
                $10::jsonb, $11::uuid, now()
            WHERE CASE WHEN $11::uuid IS NULL THEN \(isLeased(job: 3, epoch: 4))
                ELSE EXISTS (SELECT FROM \(table("job_tenants")) WHERE job_id = $3::uuid
                    AND tenant_id = ANY($2::text[]) AND worker = $11::uuid FOR SHARE) END
            ON CONFLICT (target_key) DO UPDATE SET tenant_ids = excluded.tenant_ids,
                job_id = excluded.job_id, epoch = excluded.epoch, revision = excluded.revision,
                direction = excluded.direction, unit = excluded.unit,
                statement = excluded.statement, doubt = excluded.doubt, detail = excluded.detail,
                replica = excluded.replica, updated_at = excluded.updated_at
            WHERE s.job_id = excluded.job_id OR NOT \(isHeld("s"))
            RETURNING target_key
            """,
            [
                String(key), SQLText.arrayParameter(tenants), job.description,
                String(lease.epoch), step.revision, step.direction.rawValue, String(step.unit),
                step.statement, step.doubt, UnfinishedStepRow.detail(step).renderedString(),
                lease.isAssistant ? lease.replica : nil,
            ])
        return !rows.isEmpty
    }

    /// Clears a target's step, whoever wrote it.
    package func remove(ofTarget key: Int64) async throws(StatusError) {
        try await run(
            "DELETE FROM \(table("step_journal")) WHERE target_key = $1::bigint", [String(key)])
    }

    /// Clears steps of targets that were found at other rows than those the step began at: the replica
    /// that carried the step out died before it could.
    package func removeObsolete(_ found: [(target: Int64, rows: [String])])
        async throws(StatusError)
    {
        if found.isEmpty { return }
        let given = JSONValue.array(
            found.map { ["key": JSONValue($0.target), "rows": JSONValue($0.rows.sorted())] })
        try await run(
            """
            DELETE FROM \(table("step_journal")) AS s
            USING json_to_recordset($1) AS found (key bigint, rows jsonb)
            WHERE s.target_key = found.key AND s.detail -> 'from_rows' <> found.rows
                AND NOT \(isHeld("s"))
            """, [given.renderedString()])
    }

    /// Takes the place of the one step that builds an index in `database`. That of a job which has ended or
    /// lost its lease is free, and so is that of a target which has ended: whoever built may not have been
    /// able to give it back, while its job lives on.
    package func acquireBuildPlace(
        forTarget key: Int64, in database: String
    ) async throws(StatusError) -> Bool {
        do throws(StatusError) {
            try await run(
                """
                UPDATE \(table("step_journal")) AS s SET builds_in = NULL
                WHERE builds_in = $1 AND target_key <> $2::bigint AND (NOT \(isHeld("s")) OR EXISTS (
                    SELECT FROM \(table("job_tenants")) AS t
                    WHERE t.job_id = s.job_id AND t.tenant_id = s.tenant_ids[1] COLLATE "C"
                        AND t.state NOT IN ('pending', 'running')))
                """, [database, String(key)])
            let rows = try await run(
                """
                UPDATE \(table("step_journal")) AS s SET builds_in = $1
                WHERE target_key = $2::bigint AND NOT EXISTS (
                    SELECT FROM \(table("step_journal")) WHERE builds_in = $1
                        AND target_key <> $2::bigint)
                RETURNING target_key
                """, [database, String(key)])
            return !rows.isEmpty
        } catch  where error.sqlState == SQLState.uniqueViolation {
            // Another target took it at the same moment.
            return false
        }
    }

    /// Lets the next index build of the target's database begin.
    package func releaseBuildPlace(ofTarget key: Int64) async throws(StatusError) {
        try await run(
            """
            UPDATE \(table("step_journal")) SET builds_in = NULL WHERE target_key = $1::bigint
            """, [String(key)])
    }
}
