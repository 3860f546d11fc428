internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
internal import Tenants

/// Carries out a step whose statements cannot commit together with its version row.
///
/// The step is in the journal before anything of it runs, and each unit with what is needed to determine
/// its outcome later. No lock is held and no transaction is open while a statement runs outside one: a
/// concurrent index build waits for every transaction of its database.
struct NonTransactionalRunner: StepRunner {
    let channel: PostgresChannel
    let journal: TargetJournal
    let planned: PlannedStep
    /// The step's place in the plan.
    let place: Int
    let script: StepScript
    /// What is known of the target before the step.
    let state: VersionState
    /// How long to wait for another session that works on the same target.
    let lockTimeout: Duration

    func run() async throws(AttemptStop) -> StepResult {
        let guards = channel.builder.guardMessage(state: state)
        if let interrupted = await channel.send(guards, state: state, stage: .start) {
            return .interrupted(interrupted)
        }
        let units = script.units(serverVersion: channel.connection.serverVersion)
        let digests = script.digests(units)
        let step = try await journal.resume(planned, rows: state.revisions, digests: digests)
        var run = NonTransactionalRun(
            runner: self, units: units, digests: digests,
            // The guards have made the version table where it was missing.
            state: .rows(state.revisions), session: try await openSession(), step: step)
        do throws(AttemptStop) {
            return try await run.run()
        } catch .postponed(let failure) {
            // Nothing of the unit was begun, so that the journal names no session.
            throw .postponed(failure)
        } catch {
            // The journal may name this session as the one that runs the statement, and whoever resumes
            // the step waits for the session's end.
            await channel.session.close()
            throw error
        }
    }

    /// Sets up the session for non-transactional statements, which SET LOCAL does not reach, and identifies
    /// it on the server.
    private func openSession() async throws(AttemptStop) -> BegunUnit {
        let connection = channel.connection
        do throws(PostgresError) {
            // A role that the session has taken on may not look at the session of whoever logged in.
            let results = try await connection.execute(
                """
                BEGIN; SET LOCAL ROLE NONE;
                SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid();
                COMMIT
                """, deadline: .after(.seconds(30)))
            guard let row = results.lazy.compactMap(\.rows.first).first,
                let pid = row[0].flatMap({ Int($0) }), let start = row[1]
            else { throw .connectionLost(message: "the server does not know its own session") }
            // A pooler gives out session ids of its own, and the session of each message anew.
            guard pid == Int(connection.backendID) else { throw .poolerInBetween }
            let settings = channel.builder.settings.sessionStatements(
                schema: channel.builder.target.schema, serverVersion: connection.serverVersion)
            _ = try await connection.execute(
                settings.joined(separator: ";\n"), deadline: .after(.seconds(30)))
            return BegunUnit(backend: pid, backendStart: start)
        } catch {
            throw AttemptStop(error)
        }
    }
}

/// What is left of one step, unit after unit.
struct NonTransactionalRun {
    let runner: NonTransactionalRunner
    let units: [StepUnit]
    let digests: [String]
    let state: VersionState
    /// The session that runs the units.
    let session: BegunUnit
    /// The step as the journal has it, or will have it next.
    var step: UnfinishedStep

    var channel: PostgresChannel { runner.channel }

    mutating func run() async throws(AttemptStop) -> StepResult {
        while step.unit < units.count {
            if case .transaction = units[step.unit], step.unit == units.count - 1,
                step.begun == nil
            {
                break
            }
            if let interrupted = try await runUnit() { return .interrupted(interrupted) }
            step.unit += 1
            step.begun = nil
            step.doneDigest = digests[step.unit]
        }
        return try await finish()
    }

    // MARK: - One unit

    /// Runs the unit at which `step` is, or finds that an interrupted run of it was applied.
    private mutating func runUnit() async throws(AttemptStop) -> InterruptedMessage? {
        let unit = units[step.unit]
        step.statement = scrub(
            runner.script.statements[unit.first].text, limit: FailureDescription.statementLimit)
        if let begun = step.begun, try await isApplied(unit, begun) { return nil }
        switch unit {
        case .transaction(let range):
            return try await runTransaction(range)
        case .nonTransactional(let index, let command):
            try await runStatement(index, command)
            return nil
        }
    }

    /// Whether an interrupted run of the unit was applied; what it left half done is cleared.
    private mutating func isApplied(
        _ unit: StepUnit, _ begun: BegunUnit
    ) async throws(AttemptStop) -> Bool {
        let verdict: StatementRecovery.Verdict?
        do throws(PostgresError) {
            verdict = try await recovery.verdict(
                on: unit, begun, markQuery: channel.builder.markQuery(state: state))
        } catch {
            throw AttemptStop(error)
        }
        switch verdict {
        case nil: throw .failed(.stillRunning(step))
        case .applied: return true
        case .notApplied: return false
        case .unknown(let reason):
            step.doubt = reason
            try await runner.journal.write(step)
            throw .failed(.inDoubt(step))
        }
    }

    var recovery: StatementRecovery {
        StatementRecovery(connection: channel.connection, deadline: .after(runner.lockTimeout))
    }

    /// Runs statements that commit together, but not with the version row. The transaction's id is
    /// in the journal first: the server knows for a long time whether it committed.
    private mutating func runTransaction(
        _ range: Range<Int>
    ) async throws(AttemptStop) -> InterruptedMessage? {
        let opening = channel.builder.openMessage(for: runner.script, state: state)
        let results: [StatementResult]
        do throws(PostgresError) {
            results = try await channel.connection.execute(opening.sql)
        } catch {
            return InterruptedMessage(
                message: opening, error: error, state: state, channel: channel, stage: .middle)
        }
        var begun = session
        begun.transaction = results.last?.rows.first?[0]
        begun.isMarked = true
        begun.digest = digests[step.unit + 1]
        step.begun = begun
        do throws(AttemptStop) {
            try await runner.journal.write(step)
        } catch {
            // Nothing has run; the lock and the connection are for others.
            await channel.rollBack()
            throw error
        }
        let message = channel.builder.unitMessage(
            step: runner.place, runner.script, range, state: state)
        let interrupted = await channel.send(message, state: state, stage: .middle)
        if let interrupted, case .connectionLost = interrupted.error {
            // The journal knows how to find out whether it committed.
            throw AttemptStop(interrupted.error)
        }
        return interrupted
    }

    // MARK: - The end

    /// Commits the version row, together with the last statements where possible, and removes the step
    /// from the journal.
    private mutating func finish() async throws(AttemptStop) -> StepResult {
        let message = channel.builder.endMessage(
            step: runner.place, runner.planned, runner.script,
            from: step.unit < units.count ? units[step.unit].first : nil, state: state)
        if step.unit < units.count { try await runner.journal.write(step) }
        if let interrupted = await channel.send(message, state: state, stage: .end) {
            return .interrupted(interrupted)
        }
        // One that stays behind is found obsolete by its rows.
        try? await runner.journal.remove()
        // What the step has set for its session ends with it.
        await channel.session.close()
        return .committed(steps: 1)
    }
}

extension PostgresError {
    fileprivate static let poolerInBetween = PostgresError.server(
        ServerError(
            sqlState: SQLState.featureNotSupported,
            message: "the connection leads through a pooler that gives each transaction another "
                + "session, and the step has statements that run outside of one",
            hint: "set tenancy.direct_database_url, or direct_database_url_template, to the way "
                + "past the pooler"))
}

extension TenantFailure {
    fileprivate static func stillRunning(_ step: UnfinishedStep) -> TenantFailure {
        TenantFailure(
            code: .step(.statementRunning),
            message: "the server still runs a statement of revision \(step.revision) whose "
                + "connection was lost",
            revision: step.revision, statement: step.statement, isRetryable: true,
            hint: "see pg_stat_activity; the step resumes when the statement has ended")
    }

    static let rowsMovedMidStep = TenantFailure(
        code: .job(.versionRowsChanged),
        message: "somebody else moved the version rows while a step was under way",
        isRetryable: true, hint: "find out who migrates this tenant")
}
