internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
internal import Tenants

/// How an attempt carries out a step whose statements cannot commit together with its version row.
///
/// The step is written down before anything of it runs, and with each unit what is needed to find
/// out about it. No lock is held and no transaction is open while a statement runs outside one: a
/// concurrent index build waits for every transaction of its database.
extension TargetAttempt {
    /// What stays the same from unit to unit.
    private struct Units {
        let planned: PlannedStep
        /// The step's place in the plan.
        let place: Int
        let script: StepScript
        let units: [StepUnit]
        let digests: [String]
        let builder: StepMessageBuilder
        let connection: PostgresConnection
        let backend: BegunUnit
    }

    /// Runs what is left of the plan's next step. Returns with the step undone when the rows turn out
    /// to have moved.
    mutating func advanceByUnits(
        _ planned: PlannedStep, _ script: StepScript, builder: StepMessageBuilder,
        on connection: PostgresConnection
    ) async throws(Stop) {
        guard try await pass(builder.guardMessage(state: state), builder, connection) else {
            return
        }
        let units = script.units(serverVersion: connection.serverVersion)
        let digests = script.digests(units)
        guard let progress, var step = try await findStep(planned, digests: digests) else { return }
        // What the guards have let pass includes a version table.
        state = .rows(state.revisions)
        let backend = try await openSession(connection, builder)
        let all = Units(
            planned: planned, place: progress.position, script: script, units: units,
            digests: digests, builder: builder, connection: connection, backend: backend)
        do throws(Stop) {
            try await runUnits(from: &step, all)
        } catch .postponed(let failure) {
            // Nothing of the unit was begun, so that the journal names no session.
            throw .postponed(failure)
        } catch {
            // The journal may name this session as the one that runs the statement, and whoever resumes
            // the step waits for the session's end.
            await worker.close()
            throw error
        }
    }

    private mutating func runUnits(
        from step: inout UnfinishedStep, _ all: Units
    ) async throws(Stop) {
        while step.unit < all.units.count {
            if case .transaction = all.units[step.unit], step.unit == all.units.count - 1,
                step.begun == nil
            {
                break
            }
            try await run(&step, all)
            step.unit += 1
            step.begun = nil
            step.doneDigest = all.digests[step.unit]
        }
        try await finish(step, all)
    }

    // MARK: - Beginning

    /// Where the step stands: as the journal has it, or at its beginning. Nil when the rows have moved.
    mutating func findStep(
        _ planned: PlannedStep, digests: [String]
    ) async throws(Stop) -> UnfinishedStep? {
        let rows = state.revisions
        let found = try await journaled { journal, target throws(TenantFailure) in
            try await journal.find(target)
        }
        guard let found else { return UnfinishedStep(planned, from: rows) }
        switch found.finding(rows: rows, next: planned, digests: digests) {
        case .resume: return found
        case .obsolete: return UnfinishedStep(planned, from: rows)
        case .inDoubt: throw .failed(.inDoubt(found))
        case .inTheWay: throw .failed(.inTheWay(found))
        case .edited: throw .failed(.edited(found))
        }
    }

    /// Sets up the session for statements outside of transactions, which SET LOCAL does not reach, and
    /// tells which session of the server it is.
    private mutating func openSession(
        _ connection: PostgresConnection, _ builder: StepMessageBuilder
    ) async throws(Stop) -> BegunUnit {
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
            guard pid == Int(connection.backendID) else { throw TargetAttempt.poolerInBetween }
            let settings = builder.settings.sessionStatements(
                schema: builder.target.schema, serverVersion: connection.serverVersion)
            _ = try await connection.execute(
                settings.joined(separator: ";\n"), deadline: .after(.seconds(30)))
            return BegunUnit(backend: pid, backendStart: start)
        } catch {
            throw Stop(error)
        }
    }

    // MARK: - One unit

    /// Runs the unit at which `step` stands, or finds that an interrupted run of it took effect.
    private mutating func run(_ step: inout UnfinishedStep, _ all: Units) async throws(Stop) {
        let unit = all.units[step.unit]
        step.statement = scrub(
            all.script.statements[unit.first].text, limit: FailureDescription.statementLimit)
        if let begun = step.begun, try await tookEffect(unit, begun, &step, all) { return }
        switch unit {
        case .transaction(let range): try await runTransaction(range, &step, all)
        case .alone(let index, let command): try await runAlone(index, command, &step, all)
        }
    }

    /// Whether an interrupted run of the unit took effect; what it left half done is cleared away.
    private mutating func tookEffect(
        _ unit: StepUnit, _ begun: BegunUnit, _ step: inout UnfinishedStep, _ all: Units
    ) async throws(Stop) -> Bool {
        let deadline = Deadline.after(engine.options.targetLockTimeout)
        let leftovers = Leftovers(connection: all.connection, deadline: deadline)
        let verdict: Leftovers.Verdict?
        do throws(PostgresError) {
            verdict = try await leftovers.verdict(
                on: unit, begun, markQuery: all.builder.markQuery(state: state))
        } catch {
            throw Stop(error)
        }
        switch verdict {
        case nil: throw .failed(.stillRunning(step))
        case .applied: return true
        case .notApplied: return false
        case .unknown(let reason):
            step.doubt = reason
            try await write(step)
            throw .failed(.inDoubt(step))
        }
    }

    /// Runs statements that commit together, but not with the version row. The transaction's id is
    /// written down first: the server knows for a long time what became of it.
    private mutating func runTransaction(
        _ range: Range<Int>, _ step: inout UnfinishedStep, _ all: Units
    ) async throws(Stop) {
        let opening = all.builder.openMessage(for: all.script, state: state)
        let results: [StatementResult]
        do throws(PostgresError) {
            results = try await all.connection.execute(opening.sql)
        } catch {
            try await recover(
                from: error, message: opening, builder: all.builder, on: all.connection)
            throw .failed(.rowsMoved)
        }
        var begun = all.backend
        begun.transaction = results.last?.rows.first?[0]
        begun.isMarked = true
        begun.digest = all.digests[step.unit + 1]
        step.begun = begun
        do throws(Stop) {
            try await write(step)
        } catch {
            // Nothing has run; the lock and the connection are for others.
            await rollBack(all.connection)
            throw error
        }
        let message = all.builder.unitMessage(
            step: all.place, all.script, range, state: state)
        do throws(PostgresError) {
            _ = try await send(message.sql, on: all.connection)
        } catch .connectionLost(let message) {
            await worker.close()
            throw Stop(.connectionLost(message: message))
        } catch {
            try await recover(
                from: error, message: message, builder: all.builder, on: all.connection)
            throw .failed(.rowsMoved)
        }
    }

    private mutating func runAlone(
        _ index: Int, _ command: OutsideCommand, _ step: inout UnfinishedStep, _ all: Units
    ) async throws(Stop) {
        // Written first: the place belongs to a step that the journal knows.
        try await write(step)
        if command.buildsIndex { try await takeBuildPlace(step) }
        do throws(Stop) {
            try await runAlonePlaced(index, command, &step, all)
        } catch {
            if command.buildsIndex { await giveBuildPlaceBack() }
            throw error
        }
        if command.buildsIndex { await giveBuildPlaceBack() }
    }

    private mutating func runAlonePlaced(
        _ index: Int, _ command: OutsideCommand, _ step: inout UnfinishedStep, _ all: Units
    ) async throws(Stop) {
        let leftovers = Leftovers(
            connection: all.connection, deadline: .after(engine.options.targetLockTimeout))
        var begun = all.backend
        begun.digest = all.digests[step.unit + 1]
        do throws(PostgresError) {
            try await leftovers.clear(before: command)
            if case .createIndex(nil, let table) = command {
                begun.indexes = try await leftovers.indexIDs(of: table)
            }
            try await boundWaits(of: command, on: all.connection)
        } catch {
            throw Stop(error)
        }
        try await refuseToAddLeftovers(by: all.planned, command, leftovers)
        step.begun = begun
        try await write(step)
        do throws(PostgresError) {
            _ = try await send(all.script.statements[index].text, on: all.connection)
        } catch .server(let error) {
            let failed = failure(
                error, step: all.place, statement: index, builder: all.builder,
                offset: error.position.map { $0 - 1 })
            throw .failed(await explained(failed, of: command, leftovers))
        } catch {
            await worker.close()
            throw Stop(error)
        }
        await noteLeftovers(of: command, leftovers)
    }

    // MARK: - The end

    /// Commits the version row, with the last statements where they can, and forgets the step.
    private mutating func finish(_ step: UnfinishedStep, _ all: Units) async throws(Stop) {
        let message = all.builder.endMessage(
            step: all.place, all.planned, all.script,
            from: step.unit < all.units.count ? all.units[step.unit].first : nil, state: state)
        if step.unit < all.units.count { try await write(step) }
        guard try await pass(message, all.builder, all.connection) else { return }
        didCommit(1)
        // One that stays behind is found obsolete by its rows.
        if (try? await engine.journal.remove(target)) != nil { isUnfinished = false }
        // What the step has set for its session ends with it.
        await worker.close()
    }

    // MARK: - Support

    /// Sends a message; false when it failed at its guards and the rows were read anew.
    mutating func pass(
        _ message: StepMessage, _ builder: StepMessageBuilder, _ connection: PostgresConnection
    ) async throws(Stop) -> Bool {
        do throws(PostgresError) {
            _ = try await send(message.sql, on: connection)
            return true
        } catch {
            try await recover(from: error, message: message, builder: builder, on: connection)
            return false
        }
    }

    mutating func write(_ step: UnfinishedStep) async throws(Stop) {
        let tenants = tenants
        isUnfinished = true
        try await journaled { journal, target throws(TenantFailure) in
            try await journal.write(step, of: target, tenants: tenants)
        }
    }

    private func journaled<R>(
        _ body: (any StepJournal, Target) async throws(TenantFailure) -> R
    ) async throws(Stop) -> R {
        do throws(TenantFailure) {
            return try await body(engine.journal, target)
        } catch {
            throw .failed(error)
        }
    }

    /// Short builds are waited for here; for a long one the worker goes on with other targets.
    private func takeBuildPlace(_ step: UnfinishedStep) async throws(Stop) {
        let deadline = Deadline.after(.seconds(2))
        var pause = Duration.milliseconds(5)
        while true {
            let isOurs = try await journaled { journal, target throws(TenantFailure) in
                try await journal.takeBuildPlace(target)
            }
            if isOurs { return }
            if deadline.hasPassed { throw .postponed(.waitsForBuild(step)) }
            do {
                try await Task.sleep(for: pause * Double.random(in: 0.5...1))
            } catch {
                throw .cancelled
            }
            pause = min(pause * 2, .milliseconds(100))
        }
    }

    private func giveBuildPlaceBack() async {
        // Else it is free when the step's job has ended.
        try? await engine.journal.giveBuildPlaceBack(target)
    }

    private static let poolerInBetween = PostgresError.server(
        ServerError(
            sqlState: SQLState.featureNotSupported,
            message: "the connection leads through a pooler that gives each transaction another "
                + "session, and the step has statements that run outside of one",
            hint: "set tenancy.direct_database_url, or direct_database_url_template, to the way "
                + "past the pooler"))
}

extension TenantFailure {
    static func inDoubt(_ step: UnfinishedStep) -> TenantFailure {
        TenantFailure(
            code: .step(.inDoubt),
            message:
                "revision \(step.revision) was interrupted in its middle: \(step.doubt ?? "")",
            revision: step.revision, statement: step.statement,
            hint: "look at the tenant, then POST /v1/tenants/{id}/resolve: resume runs the "
                + "statement again (of a step in Python: the whole step), mark_applied and "
                + "mark_not_applied settle the whole step")
    }

    static func inTheWay(_ step: UnfinishedStep) -> TenantFailure {
        TenantFailure(
            code: .step(.unfinished),
            message: "revision \(step.revision) was begun and is not finished",
            revision: step.revision, statement: step.statement,
            hint: "go on with it first, or settle it by POST /v1/tenants/{id}/resolve")
    }

    static func edited(_ step: UnfinishedStep) -> TenantFailure {
        TenantFailure(
            code: .step(.edited),
            message: "statements of revision \(step.revision) that have run already are others now",
            revision: step.revision, statement: step.statement,
            hint: "put them back as they were; only the statement that failed and those after it "
                + "may be mended")
    }

    fileprivate static func stillRunning(_ step: UnfinishedStep) -> TenantFailure {
        TenantFailure(
            code: .step(.statementRunning),
            message: "the server still runs a statement of revision \(step.revision) whose "
                + "connection was lost",
            revision: step.revision, statement: step.statement, isRetryable: true,
            hint: "see pg_stat_activity; the step goes on when the statement has ended")
    }

    fileprivate static func waitsForBuild(_ step: UnfinishedStep) -> TenantFailure {
        TenantFailure(
            code: .step(.indexBuildWaits),
            message: "another index is being built in the tenant's database",
            revision: step.revision, statement: step.statement, isRetryable: true,
            hint: "one is built at a time; the tenant's turn comes by itself")
    }

    fileprivate static let rowsMoved = TenantFailure(
        code: .job(.versionRowsChanged),
        message: "somebody else moved the version rows while a step was under way",
        isRetryable: true, hint: "find out who migrates this tenant")
}
