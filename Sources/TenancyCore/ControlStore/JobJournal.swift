package import Engine
package import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
package import Tenants

/// The journal of unfinished steps as one job writes it, in the control database.
///
/// A step is in the hands of the job that wrote it last, under the lease that the job had then, for
/// as long as that lease is in force. Afterwards any job may go on with it.
package struct JobJournal: StepJournal {
    package let store: StatusStore
    package let job: JobID
    package let lease: JobLease

    package init(store: StatusStore, job: JobID, lease: JobLease) {
        self.store = store
        self.job = job
        self.lease = lease
    }

    package func find(_ target: Target) async throws(TenantFailure) -> UnfinishedStep? {
        try await asking { () throws(StatusError) in
            try await store.unfinishedStep(ofTarget: target.key)
        }
    }

    package func write(
        _ step: UnfinishedStep, of target: Target, tenants: [TenantName]
    ) async throws(TenantFailure) {
        let isOurs = try await asking { () throws(StatusError) in
            try await store.writeStep(
                step, ofTarget: target.key, tenants: tenants.map(\.id), job: job, lease: lease)
        }
        if !isOurs { throw JobJournal.inOtherHands }
    }

    package func remove(_ target: Target) async throws(TenantFailure) {
        try await asking { () throws(StatusError) in
            try await store.removeStep(ofTarget: target.key)
        }
    }

    package func takeBuildPlace(_ target: Target) async throws(TenantFailure) -> Bool {
        try await asking { () throws(StatusError) in
            try await store.takeBuildPlace(
                forTarget: target.key, in: target.connection.databaseKey)
        }
    }

    package func giveBuildPlaceBack(_ target: Target) async throws(TenantFailure) {
        try await asking { () throws(StatusError) in
            try await store.giveBuildPlaceBack(ofTarget: target.key)
        }
    }

    private func asking<R>(
        _ question: () async throws(StatusError) -> R
    ) async throws(TenantFailure) -> R {
        do throws(StatusError) {
            return try await question()
        } catch {
            throw TenantFailure(
                code: .job(.controlDatabaseUnavailable), message: "\(error)", isRetryable: true,
                hint: "check the control database; the step goes on from where it stands")
        }
    }

    private static let inOtherHands = TenantFailure(
        code: .job(.targetLocked),
        message: "another job carries out a step of the same target, or has taken this job over",
        isRetryable: true, hint: "wait for it to end, or cancel it")
}

extension StatusStore {
    /// The unfinished step of a target, if there is one.
    package func unfinishedStep(
        ofTarget key: Int64
    ) async throws(StatusError) -> UnfinishedStep? {
        let rows = try await run(
            """
            SELECT \(UnfinishedStepRow.columns) FROM \(table("step_journal"))
            WHERE target_key = $1::bigint
            """, [String(key)])
        return rows.first.flatMap(UnfinishedStepRow.read)
    }

    /// The unfinished step of a target, and the job that has it, which holds it while it lives.
    package func openStep(
        ofTarget key: Int64
    ) async throws(StatusError) -> (step: UnfinishedStep, job: JobID, isHeld: Bool)? {
        let rows = try await run(
            """
            SELECT \(UnfinishedStepRow.columns), job_id, \(isHeld("s"))
            FROM \(table("step_journal")) AS s WHERE target_key = $1::bigint
            """, [String(key)])
        guard let row = rows.first, let step = UnfinishedStepRow.read(row),
            let job = row[6].flatMap(JobID.init)
        else { return nil }
        return (step, job, row[7] == "t")
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

    /// Lets the unit that was interrupted count as not begun.
    package func forgetBegun(ofTarget key: Int64) async throws(StatusError) {
        _ = try await run(
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
        return Set(rows.compactMap { $0[0].flatMap { Int64($0) } })
    }

    /// Writes where a step stands.
    ///
    /// - Returns: false when the lease is no longer the job's, or another job that lives has the step.
    func writeStep(
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

    /// Strikes a target's step out, whoever wrote it.
    package func removeStep(ofTarget key: Int64) async throws(StatusError) {
        _ = try await run(
            "DELETE FROM \(table("step_journal")) WHERE target_key = $1::bigint", [String(key)])
    }

    /// Forgets steps of targets that were found at other rows than those the step began at: whoever
    /// carried it out died before he could.
    package func forgetObsoleteSteps(_ found: [(target: Int64, rows: [String])])
        async throws(StatusError)
    {
        if found.isEmpty { return }
        let given = JSONValue.array(
            found.map { ["key": JSONValue($0.target), "rows": JSONValue($0.rows.sorted())] })
        _ = try await run(
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
    package func takeBuildPlace(
        forTarget key: Int64, in database: String
    ) async throws(StatusError) -> Bool {
        do throws(StatusError) {
            _ = try await run(
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
    package func giveBuildPlaceBack(ofTarget key: Int64) async throws(StatusError) {
        _ = try await run(
            """
            UPDATE \(table("step_journal")) SET builds_in = NULL WHERE target_key = $1::bigint
            """, [String(key)])
    }
}

/// An unfinished step as a row of `step_journal`, both ways.
enum UnfinishedStepRow {
    static let columns = "revision, direction, unit, statement, doubt, detail"

    static func read(_ row: [String?]) -> UnfinishedStep? {
        guard let revision = row[0], let direction = row[1].flatMap(Direction.init),
            let unit = row[2].flatMap({ Int($0) }), let detail = row[5].flatMap(JobRow.parse)
        else { return nil }
        var step = UnfinishedStep(
            revision: revision, direction: direction, fromRows: strings(detail["from_rows"]),
            toRows: strings(detail["to_rows"]))
        step.unit = unit
        step.statement = row[3] ?? ""
        step.doubt = row[4]
        step.doneDigest = detail["done_digest"]?.stringValue ?? ""
        step.begun = detail["begun"].flatMap(begun)
        return step
    }

    static func detail(_ step: UnfinishedStep) -> JSONValue {
        [
            "from_rows": JSONValue(step.fromRows), "to_rows": JSONValue(step.toRows),
            "done_digest": .string(step.doneDigest),
            "begun": step.begun.map {
                [
                    "backend": JSONValue($0.backend), "backend_start": .string($0.backendStart),
                    "transaction": JSONValue($0.transaction), "marked": .bool($0.isMarked),
                    "digest": .string($0.digest),
                    "indexes": JSONValue($0.indexes),
                ]
            } ?? .null,
        ]
    }

    private static func begun(_ value: JSONValue) -> BegunUnit? {
        guard let backend = value["backend"]?.intValue,
            let start = value["backend_start"]?.stringValue
        else { return nil }
        return BegunUnit(
            backend: backend, backendStart: start,
            transaction: value["transaction"]?.stringValue,
            isMarked: value["marked"]?.boolValue ?? false,
            digest: value["digest"]?.stringValue ?? "", indexes: strings(value["indexes"]))
    }

    private static func strings(_ value: JSONValue?) -> [String] {
        (value?.arrayValue ?? []).compactMap(\.stringValue)
    }
}
