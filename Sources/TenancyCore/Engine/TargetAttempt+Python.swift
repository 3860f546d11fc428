internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
internal import Tenants

/// How an attempt has Alembic itself run a step.
///
/// A transaction of ours holds the target's lock meanwhile, and nothing else: it is idle, without a
/// snapshot and without a lock on a table, so that concurrent index builds in the worker do not wait
/// for it. It stays open, so that a transaction pooler leaves its session to it and to nobody else.
/// What the worker says of its success is not believed: the version rows are read
/// afterwards, and where they do not prove the step, it has failed.
extension TargetAttempt {
    /// A lock that nobody waits for, and a reading of a catalogue.
    private static let patience = Duration.seconds(30)

    /// Has a worker run the plan's next step. Returns with the step undone when the rows turn out to
    /// have moved, or the lock was taken.
    mutating func advanceByPython(
        _ planned: PlannedStep, builder: StepMessageBuilder, on connection: PostgresConnection
    ) async throws(Stop) {
        guard let runner = engine.external else {
            throw .failed(.noPython(revision: planned.revision))
        }
        guard try await pass(builder.guardMessage(state: state), builder, connection) else {
            return
        }
        // One that a person has to settle is not begun again.
        if isUnfinished, try await findStep(planned, digests: [""]) == nil { return }
        // What the guards have let pass includes a version table.
        state = .rows(state.revisions)
        guard try await pass(builder.holdMessage(state: state), builder, connection) else {
            return
        }
        let before = try await relations(connection)
        try await holdNothingElse(connection)
        var step = ExternalStep(
            planned: planned, rows: state.revisions, target: target,
            tenant: tenants.first?.identifier, versionTable: engine.task.versionTable,
            session: engine.options.session, visit: externalVisit())
        step.isFollowed =
            progress.map { $0.plan.steps.dropFirst($0.position + 1) }?.contains(
                where: builder.needsPython) ?? false
        let answer = await run(planned, as: step, by: runner)
        // Until the rows are read again, they may be those before the step or after it.
        isCertain = false
        if Task.isCancelled {
            await connection.close()
            try await noteCutOff(planned, answer)
            throw .cancelled
        }
        let after = try await relations(connection)
        await rollBack(connection)
        if case .success(let said) = answer {
            let graph = engine.task.graph
            progress?.name(said.namedTypes, of: graph)
        }
        try await conclude(
            planned, answer, hasStrayed: before.strayed(to: after),
            invalid: after.invalid.subtracting(before.invalid).sorted())
        // One that stays behind is found obsolete by its rows.
        try? await forgetStep()
    }

    /// A query with parameters leaves its snapshot with the session until the next one, and
    /// `CREATE INDEX CONCURRENTLY` in the worker would wait for it.
    private func holdNothingElse(_ connection: PostgresConnection) async throws(Stop) {
        do throws(PostgresError) {
            _ = try await connection.execute(
                StepMessageBuilder.holdNothingElse, deadline: .after(TargetAttempt.patience))
        } catch {
            // The transaction that holds the lock must not stay open.
            await rollBack(connection)
            throw Stop(error)
        }
    }

    /// Compares what the worker says with what the target's rows say.
    mutating func conclude(
        _ planned: PlannedStep, _ answer: Result<ExternalAnswer, TenantFailure>, hasStrayed: Bool,
        invalid: [String] = []
    ) async throws(Stop) {
        guard let progress else { return }
        let expected = progress.states[progress.position + 1]
        let found = try await read()
        if found == .missingSchema {
            isCertain = true
            throw .failed(failure(planned, TargetTask.missingSchema))
        }
        if Set(found.revisions) == expected {
            isCertain = true
            didCommit(1)
            if hasStrayed { throw .failed(failure(planned, .wrongSchema)) }
            return
        }
        guard found.revisions.sorted() == progress.expectedRows else {
            try adopt(found)
            return
        }
        isCertain = true
        var reported: TenantFailure
        switch answer {
        case .success(let answer):
            reported =
                if let others = answer.otherRows {
                    .looksElsewhere(others, found.revisions)
                } else {
                    answer.failure
                        ?? .notMigrated(
                            found.revisions, committed: answer.committed,
                            versionTable: engine.task.versionTable.name)
                }
        case .failure(let error):
            reported = error
        }
        if reported.sqlState == SQLState.readOnlyTransaction, target.connection.isPostgres {
            reported = await readOnly(reported)
        }
        if target.connection.isPostgres { reported = await namingExtension(reported) }
        try await leave(planned, failure(planned, reported), invalid: invalid)
    }

    private func failure(_ planned: PlannedStep, _ failure: TenantFailure) -> TenantFailure {
        var failure = failure
        failure.revision = planned.revision
        failure.file = engine.task.graph[planned.revision]?.file
        failure.message = target.connection.scrubbed(failure.message)
        failure.statement = failure.statement.map(target.connection.scrubbed)
        failure.traceback = failure.traceback.map(target.connection.scrubbed)
        failure.committed = failure.committed.map(target.connection.scrubbed)
        if !target.connection.isPostgres, failure.hint == nil { failure.hint = Self.partsMayStay }
        return failure
    }

    /// The tables of the tenant's schema and of the one that an env.py falls back to.
    private func relations(_ connection: PostgresConnection) async throws(Stop) -> Relations {
        do throws(PostgresError) {
            let rows = try await connection.query(
                """
                SELECT CASE WHEN n.nspname = $1 THEN 'own' ELSE 'shared' END,
                    c.oid || ' ' || c.relname
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname IN ($1, 'public') AND $1 IS NOT NULL
                    AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
                    AND NOT EXISTS (
                        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                            AND d.objid = c.oid AND d.deptype = 'e')
                UNION ALL
                SELECT 'invalid', format('%I.%I', n.nspname, c.relname)
                FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid AND NOT i.indisvalid
                    JOIN pg_namespace n ON n.oid = c.relnamespace
                    JOIN pg_class t ON t.relkind <> 't' AND i.indrelid IN (t.oid, t.reltoastrelid)
                WHERE $1 IS NULL OR t.relnamespace = to_regnamespace(quote_ident($1))
                """, [target.schema?.text], deadline: .after(TargetAttempt.patience))
            return Relations(rows)
        } catch {
            // The transaction that holds the lock must not stay open.
            await rollBack(connection)
            throw Stop(error)
        }
    }

    private struct Relations {
        let own: Set<String>
        let shared: Set<String>
        /// Indexes that a build has left half done.
        let invalid: Set<String>

        init(_ rows: [[String?]]) {
            func names(_ kind: String) -> Set<String> {
                Set(rows.filter { $0[0] == kind }.compactMap { $0[1] })
            }
            (own, shared, invalid) = (names("own"), names("shared"), names("invalid"))
        }

        /// Whether tables came to be in the shared schema and none in the tenant's own.
        func strayed(to after: Relations) -> Bool {
            own == after.own && !after.shared.isSubset(of: shared)
        }
    }
}

extension TenantFailure {
    fileprivate static func noPython(revision: String) -> TenantFailure {
        TenantFailure(
            code: .alembic(.pythonMissing),
            message: "revision \(revision) needs Alembic itself, and this source has no Python",
            revision: revision)
    }

    /// A worker has reported success, and the rows have not moved: either the version row's change was
    /// rolled back, or it was committed where the tenant does not live.
    fileprivate static func notMigrated(
        _ rows: [String], committed: [String], versionTable: String
    ) -> TenantFailure {
        if !committed.isEmpty && !committed.contains(where: { $0.contains(versionTable) }) {
            var failure = TenantFailure(
                code: .alembic(.notMigrated),
                message: "the step committed Alembic's transaction by itself, and what came after "
                    + "that was rolled back, the version row too",
                hint: "use op.get_context().autocommit_block() instead of commit()")
            failure.committed = committed
            return failure
        }
        return TenantFailure(
            code: .alembic(.notMigrated),
            message: "Alembic reported success, and the tenant's version rows are still "
                + "\(rows.sorted()): another database or schema was migrated",
            hint: "env.py must take the URL and the schema that it is given; see docs/alembic.md")
    }

    /// A worker has found other version rows than the tenant has.
    fileprivate static func looksElsewhere(_ message: String, _ rows: [String]) -> TenantFailure {
        TenantFailure(
            code: .alembic(.notMigrated),
            message: "env.py leads to another database or schema: there \(message), and the "
                + "tenant's are \(rows.sorted())",
            hint: "env.py must take the URL and the schema that it is given; see docs/alembic.md")
    }

    fileprivate static let wrongSchema = TenantFailure(
        code: .alembic(.wrongSchema),
        message: "the step made tables in the schema public and none in the tenant's own, although "
            + "the tenant's version rows have moved",
        hint: "env.py must set search_path to the schema that it is given; see docs/alembic.md")
}
