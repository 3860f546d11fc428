internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
internal import Tenants

/// Has Alembic itself run a step on PostgreSQL.
///
/// A transaction of ours holds the target's lock meanwhile, and nothing else: it is idle, without a
/// snapshot and without a lock on a table, so that concurrent index builds in the worker do not wait
/// for it. It stays open, so that a transaction pooler leaves its session to it and to nobody else.
struct ExternalRunner: StepRunner {
    /// A lock that nobody waits for, and a reading of a catalogue.
    private static let timeout = Duration.seconds(30)

    let program: (any ExternalStepRunner)?
    let channel: PostgresChannel
    let journal: TargetJournal
    let step: ExternalStep
    let planned: PlannedStep
    /// What is known of the target before the step.
    let state: VersionState

    func run() async throws(AttemptStop) -> StepResult {
        guard let program else { throw .failed(.noPython(revision: planned.revision)) }
        let guards = channel.builder.guardMessage(state: state)
        if let interrupted = await channel.send(guards, state: state, stage: .start) {
            return .interrupted(interrupted)
        }
        if journal.mayHaveStep {
            // One that a person has to settle is not begun again.
            _ = try await journal.resume(planned, rows: step.rows, digests: [""])
        }
        // The guards have made the version table where it was missing.
        let state = VersionState.rows(step.rows)
        let hold = channel.builder.holdMessage(state: state)
        if let interrupted = await channel.send(hold, state: state, stage: .start) {
            return .interrupted(interrupted)
        }
        let before = try await readRelations()
        try await holdNothingElse()
        let call = ExternalCall(program: program, step: step, journal: journal)
        var report = ExternalReport(planned: planned, answer: await call.run(planned))
        // A program that was ended may have sent its COMMIT already.
        if case .failure = report.answer { try await waitForWriters() }
        if Task.isCancelled {
            await channel.connection.close()
            report.wasCancelled = true
            return .reported(report)
        }
        do throws(AttemptStop) {
            report.compare(before, with: try await readRelations())
        } catch {
            return .unknown(error)
        }
        await channel.rollBack()
        if case .success(let answer) = report.answer { report.namedTypes = answer.namedTypes }
        return .reported(report)
    }

    /// A query with parameters leaves its snapshot with the session until the next one, and
    /// `CREATE INDEX CONCURRENTLY` in the worker would wait for it.
    private func holdNothingElse() async throws(AttemptStop) {
        do throws(PostgresError) {
            _ = try await channel.connection.execute(
                StepMessageBuilder.holdNothingElse, deadline: .after(ExternalRunner.timeout))
        } catch {
            // The transaction that holds the lock must not stay open.
            await channel.rollBack()
            throw AttemptStop(error)
        }
    }

    /// Waits until no other session is about to move the version rows, or a bound has passed. Once it
    /// has changed them, a transaction holds a lock on their table until it ends.
    private func waitForWriters() async throws(AttemptStop) {
        let table = VersionTable(schema: step.target.schema, name: step.versionTable)
        let deadline = Deadline.after(ExternalRunner.timeout)
        var backoff = Backoff(from: .milliseconds(5), upTo: .milliseconds(250))
        while !deadline.hasPassed && !Task.isCancelled {
            do throws(PostgresError) {
                let rows = try await channel.connection.query(
                    """
                    SELECT count(*) FROM pg_locks
                    WHERE relation = to_regclass($1) AND pid <> pg_backend_pid() AND granted
                        AND database = (SELECT oid FROM pg_database
                            WHERE datname = current_database())
                        AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                            'AccessExclusiveLock')
                    """, [table.qualifiedName], deadline: .after(ExternalRunner.timeout))
                if rows.first?.first == "0" { return }
            } catch {
                // The transaction that holds the lock must not stay open.
                await channel.rollBack()
                throw AttemptStop(error)
            }
            try? await Task.sleep(for: backoff.next())
        }
    }

    /// The tables of the tenant's schema and of the one that an env.py falls back to.
    private func readRelations() async throws(AttemptStop) -> Relations {
        do throws(PostgresError) {
            let rows = try await channel.connection.query(
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
                """, [step.target.schema?.text], deadline: .after(ExternalRunner.timeout))
            return Relations(rows)
        } catch {
            // The transaction that holds the lock must not stay open.
            await channel.rollBack()
            throw AttemptStop(error)
        }
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
}

extension ExternalReport {
    /// Finds what the step has made where it should not, and what it has left half done.
    fileprivate mutating func compare(_ before: Relations, with after: Relations) {
        hasStrayed = before.own == after.own && !after.shared.isSubset(of: before.shared)
        invalidIndexes = after.invalid.subtracting(before.invalid).sorted()
    }
}

extension TenantFailure {
    fileprivate static func noPython(revision: String) -> TenantFailure {
        TenantFailure(
            code: .alembic(.pythonMissing),
            message: "revision \(revision) needs Alembic itself, and this source has no Python",
            revision: revision)
    }
}
