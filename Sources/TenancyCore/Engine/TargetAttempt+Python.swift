/// How an attempt has Alembic itself run a step.
///
/// A transaction of ours holds the target's lock meanwhile, on a connection of its own that does
/// nothing else. What the worker says of its success is not believed: the version rows are read
/// afterwards, and where they do not prove the step, it has failed.
extension TargetAttempt {
    /// A lock that nobody waits for, and a reading of a catalogue.
    private static let patience = Duration.seconds(30)

    /// Has a worker run the plan's next step. Returns with the step undone when the rows turn out to
    /// have moved, or the lock was taken.
    mutating func advanceByPython(
        _ planned: PlannedStep, builder: StepMessageBuilder, on connection: PostgresConnection
    ) async throws(Stop) {
        guard let pool = engine.python else {
            throw .failed(.noPython(revision: planned.revision))
        }
        guard try await pass(builder.guardMessage(state: state), builder, connection) else {
            return
        }
        // What the guards have let pass includes a version table.
        state = .rows(state.revisions)
        guard try await pass(builder.holdMessage(state: state), builder, connection) else {
            return
        }
        let before = try await relations(connection)
        let answer: Result<JSONValue, TenantFailure>
        do throws(TenantFailure) {
            answer = .success(
                try await pool.run(
                    PythonStep(
                        planned: planned, rows: state.revisions, target: target,
                        tenant: tenants.first?.identifier, versionTable: engine.task.versionTable,
                        session: engine.options.session)))
        } catch {
            answer = .failure(error)
        }
        // Until the rows are read again, they may be those before the step or after it.
        isCertain = false
        if Task.isCancelled {
            await connection.close()
            throw .cancelled
        }
        let after = try await relations(connection)
        await rollBack(connection)
        try await conclude(planned, answer, hasStrayed: before.strayed(to: after))
    }

    /// Compares what the worker says with what the target's rows say.
    mutating func conclude(
        _ planned: PlannedStep, _ answer: Result<JSONValue, TenantFailure>, hasStrayed: Bool
    ) async throws(Stop) {
        guard let progress else { return }
        let expected = progress.states[progress.position + 1]
        let found = try await read()
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
        switch answer {
        case .success(let answer):
            let event = answer["event"]?.stringValue
            let reported: TenantFailure =
                event == "failed" ? .init(worker: answer) : .notMigrated(found.revisions)
            throw .failed(failure(planned, reported))
        case .failure(let error):
            throw .failed(failure(planned, error))
        }
    }

    private func failure(_ planned: PlannedStep, _ failure: TenantFailure) -> TenantFailure {
        var failure = failure
        failure.revision = planned.revision
        failure.file = engine.task.graph[planned.revision]?.file
        failure.message = target.connection.scrubbed(failure.message)
        failure.statement = failure.statement.map(target.connection.scrubbed)
        if !target.connection.isPostgres, failure.hint == nil { failure.hint = Self.partsMayStay }
        return failure
    }

    /// The tables of the tenant's schema and of the one that an env.py falls back to.
    private func relations(_ connection: PostgresConnection) async throws(Stop) -> Relations {
        guard let schema = target.schema else { return Relations() }
        do throws(PostgresError) {
            let rows = try await connection.query(
                """
                SELECT n.nspname = $1, c.oid || ' ' || c.relname FROM pg_class c
                JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname IN ($1, 'public') AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
                    AND NOT EXISTS (
                        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                            AND d.objid = c.oid AND d.deptype = 'e')
                """, [schema.text], deadline: .after(TargetAttempt.patience))
            var relations = Relations()
            for row in rows {
                guard let name = row[1] else { continue }
                if row[0] == "t" {
                    relations.own.insert(name)
                } else {
                    relations.shared.insert(name)
                }
            }
            return relations
        } catch {
            // The transaction that holds the lock must not stay open.
            await rollBack(connection)
            throw Stop(error)
        }
    }

    private struct Relations {
        var own: Set<String> = []
        var shared: Set<String> = []

        /// Whether tables came to be in the shared schema and none in the tenant's own.
        func strayed(to after: Relations) -> Bool {
            own == after.own && !after.shared.isSubset(of: shared)
        }
    }
}

extension TenantFailure {
    fileprivate static func noPython(revision: String) -> TenantFailure {
        TenantFailure(
            code: "python_missing",
            message: "revision \(revision) needs Alembic itself, and this source has no Python",
            revision: revision)
    }

    fileprivate static func notMigrated(_ rows: [String]) -> TenantFailure {
        TenantFailure(
            code: "not_migrated",
            message: "Alembic reported success, and the tenant's version rows are still "
                + "\(rows.sorted()): another database or schema was migrated",
            hint: "env.py must take the URL and the schema that it is given; see docs/alembic.md")
    }

    fileprivate static let wrongSchema = TenantFailure(
        code: "wrong_schema",
        message: "the step made tables in the schema public and none in the tenant's own, although "
            + "the tenant's version rows have moved",
        hint: "env.py must set search_path to the schema that it is given; see docs/alembic.md")

    /// What a worker reports.
    init(worker answer: JSONValue) {
        let state = answer["sqlstate"]?.stringValue
        let traceback = ExportDocument.strings(answer["traceback"])
        self.init(
            code: TenantFailure.code(ofKind: answer["kind"]?.stringValue, state),
            message: ([answer["message"]?.stringValue ?? "the step failed"] + traceback)
                .joined(separator: "\n"),
            sqlState: state,
            statement: answer["statement"]?.stringValue.map {
                String($0.prefix(FailureDescription.statementLimit))
            },
            isRetryable: state.map(SQLState.isRetryable) ?? false)
    }

    private static func code(ofKind kind: String?, _ state: String?) -> String {
        if let state { return FailureDescription.code(ofState: state) }
        return switch kind {
        case "other_rows": "version_rows_changed"
        case "env_failed", "env_exit", "no_migration_ran": "env_failed"
        case "revision_failed": "revision_failed"
        case "connect_failed": "unreachable"
        case "statement_failed": "statement_failed"
        default: "python_failed"
        }
    }
}
