package import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
internal import Tenants

/// One attempt on one target: reads it, plans, has runners apply the plan, and compares what they did
/// with the target's rows.
struct TargetAttempt {
    /// Rows that keep moving while nothing of ours commits: somebody is in a loop.
    private static let replanLimit = 20

    let engine: SQLEngine
    let target: Target
    let session: TargetSession
    let journal: TargetJournal
    private let known: VersionState?
    private var visit: ExternalVisit?
    /// The rows that the plan counts from, as the control database has them.
    private(set) var plannedFrom: [String]?
    var progress: TargetProgress?
    /// What the next message builds on.
    var state = VersionState.noTable
    /// Whether the target's rows are known to be those that `progress` expects.
    var isCertain = false
    /// Whether the plan's next step is left to a person: it has committed a part and failed.
    var isInDoubt = false
    /// When to stop waiting for whoever else migrates the target; set while nothing gets done.
    var lockDeadline: Deadline?
    /// Whether each transaction is a message of its own, since the server cannot read all of them.
    var sendsOneByOne = false
    private var replans = 0

    init(engine: SQLEngine, work: TargetWork, worker: WorkerConnection) {
        self.engine = engine
        target = work.target
        session = TargetSession(
            target: work.target, tenants: work.tenants, settings: engine.options.session,
            worker: worker, watch: engine.watch)
        journal = TargetJournal(
            engine.journal, target: work.target, tenants: work.tenants,
            mayHaveStep: work.isUnfinished)
        known = work.state
        plannedFrom = work.plannedFrom
        progress = work.progress
    }

    mutating func run() async -> TargetOutcome {
        let outcome = await attempt()
        if let visit { await engine.external?.end(visit) }
        return outcome
    }

    private mutating func attempt() async -> TargetOutcome {
        do throws(AttemptStop) {
            guard engine.task.versionTable.tells(of: target.schema) else {
                throw .failed(.sharedVersionTable)
            }
            if let known, progress == nil {
                try adopt(known)
            } else {
                try adopt(await read())
            }
            while let progress, !progress.isComplete {
                try await noteStart(of: progress)
                try await advance(progress)
            }
            await journal.removeIfObsolete(rows: state.revisions)
            return outcome()
        } catch {
            if case .settled = error { await journal.removeIfObsolete(rows: state.revisions) }
            return outcome(stoppedBy: error)
        }
    }

    // MARK: - Reading and planning

    mutating func read() async throws(AttemptStop) -> VersionState {
        guard target.connection.isPostgres else { return try await readForeign() }
        do throws(PostgresError) {
            return try await session.read(engine.task.versionTable)
        } catch {
            throw AttemptStop(error)
        }
    }

    private func readForeign() async throws(AttemptStop) -> VersionState {
        guard let program = engine.external else { throw .failed(.notPostgres) }
        do throws(TenantFailure) {
            return .rows(try await program.readRows(externalStep(nil, in: ExternalVisit())))
        } catch {
            if Task.isCancelled { throw .cancelled }
            throw .failed(error)
        }
    }

    /// Makes the plan from what was read of the target, or finds the target's position on it.
    mutating func adopt(_ state: VersionState) throws(AttemptStop) {
        self.state = state
        let mayBeOurs = !isCertain
        isCertain = true
        if state == .missingSchema, let progress, !progress.mayBegin(withoutSchema: engine.task) {
            throw .failed(TargetTask.missingSchema)
        }
        switch progress?.reconcile(with: state.revisions, mayBeOurs: mayBeOurs) {
        case .onPlan: return
        case .diverged: throw .failed(TargetAttempt.diverged(state.revisions))
        case .moved: try countReplan(state.revisions)
        case nil:
            if try resumeEarlierPlan(at: state) { return }
        }
        progress = nil
        if let outcome = engine.task.settle(state) { throw .settled(outcome) }
        let plan: RevisionPlan
        do throws(RevisionError) {
            plan = try engine.task.plan(from: state.revisions)
        } catch {
            throw .failed(FailureDescription.of(error))
        }
        if let failure = needsSchema(plan) { throw .failed(failure) }
        progress = TargetProgress(plan: plan, from: state.revisions)
    }

    /// Resumes the plan of a daemon that died over it, if the rows are on that plan.
    private mutating func resumeEarlierPlan(at state: VersionState) throws(AttemptStop) -> Bool {
        guard engine.task.changesTargets, let plannedFrom, plannedFrom != state.revisions,
            let plan = try? engine.task.plan(from: plannedFrom)
        else { return false }
        var resumed = TargetProgress(plan: plan, from: plannedFrom)
        guard resumed.reconcile(with: state.revisions, mayBeOurs: true) == .onPlan else {
            return false
        }
        if let objection = engine.task.objection(to: plan) { throw .failed(objection) }
        progress = resumed
        return true
    }

    /// Some migrations can only be rendered with the name of a schema.
    private func needsSchema(_ plan: RevisionPlan) -> TenantFailure? {
        guard target.schema == nil, target.connection.isPostgres, engine.task.operation != .stamp
        else { return nil }
        let step = plan.steps.first { step in
            engine.task.graph[step.revision]?.scripts(step.direction)
                .contains(where: \.needsSchema) == true
        }
        return step.map { step in
            TenantFailure(
                code: .target(.schemaNeeded),
                message: "revision \(step.revision) names the tenant's schema, and the tenant has "
                    + "a database of its own",
                revision: step.revision, file: engine.task.graph[step.revision]?.file,
                hint: "write the step so that it needs no schema argument")
        }
    }

    mutating func countReplan(_ rows: [String]) throws(AttemptStop) {
        replans += 1
        if replans > TargetAttempt.replanLimit { throw .failed(TargetAttempt.diverged(rows)) }
    }

    // MARK: - Applying

    /// An absolute target leads to the same end from wherever the next daemon finds the tenant, unless
    /// the steps depend on what ran before them.
    private mutating func noteStart(of progress: TargetProgress) async throws(AttemptStop) {
        guard engine.task.isRelative || progress.plan.isOneRun, plannedFrom != progress.from else {
            return
        }
        do throws(TenantFailure) {
            try await engine.noteStart(session.tenants, progress.from)
            plannedFrom = progress.from
        } catch {
            throw .failed(error)
        }
    }

    /// Runs the next runner, and applies its result to the plan.
    private mutating func advance(_ progress: TargetProgress) async throws(AttemptStop) {
        switch try await runner(for: progress).run() {
        case .committed(let steps): didCommit(steps)
        case .interrupted(let message): try await recover(from: message)
        case .reported(let report): try await verify(report)
        case .unknown(let stop):
            isCertain = false
            throw stop
        }
    }

    private mutating func runner(
        for progress: TargetProgress
    ) async throws(AttemptStop) -> any StepRunner {
        let next = progress.plan.steps[progress.position]
        let channel = try await openChannel()
        let kind = StepKind(
            of: next, builder: channel?.builder, mayBeUnfinished: journal.mayHaveStep)
        switch (kind, channel) {
        case (.transactional, let channel?):
            return TransactionalRunner(
                channel: channel, progress: progress, state: state, isSingle: sendsOneByOne)
        case (.nonTransactional(let script), let channel?):
            let connection = try await session.bypassingPooler(from: channel.connection)
            return NonTransactionalRunner(
                channel: PostgresChannel(
                    session: session, connection: connection, builder: channel.builder),
                journal: journal, planned: next, place: progress.position, script: script,
                state: state, lockTimeout: engine.options.targetLockTimeout)
        case (.external, let channel?):
            let visit = visit ?? ExternalVisit()
            self.visit = visit
            var step = externalStep(next, in: visit)
            step.isFollowed = progress.plan.steps.dropFirst(progress.position + 1)
                .contains(where: channel.builder.needsPython)
            return ExternalRunner(
                program: engine.external, channel: channel, journal: journal, step: step,
                planned: next, state: state)
        case (.foreign, _), (_, nil):
            return ForeignRunner(
                program: engine.external, journal: journal,
                step: externalStep(next, in: ExternalVisit()), planned: next,
                isStamp: engine.task.operation == .stamp)
        }
    }

    /// `nil` where the database is not PostgreSQL.
    private func openChannel() async throws(AttemptStop) -> PostgresChannel? {
        guard target.connection.isPostgres else { return nil }
        let connection = try await session.reach()
        let builder = StepMessageBuilder(
            graph: engine.task.graph, target: target, settings: engine.options.session,
            scope: engine.options.scope, serverVersion: connection.serverVersion,
            runsScripts: engine.task.operation != .stamp,
            versionTable: engine.task.versionTable)
        return PostgresChannel(session: session, connection: connection, builder: builder)
    }

    private func externalStep(_ planned: PlannedStep?, in visit: ExternalVisit) -> ExternalStep {
        ExternalStep(
            planned: planned, rows: state.revisions, target: target,
            tenant: session.tenants.first?.identifier, versionTable: engine.task.versionTable,
            session: engine.options.session, visit: visit)
    }

    mutating func didCommit(_ steps: Int) {
        guard steps > 0 else { return }
        progress?.advance(by: steps)
        state = .rows(progress?.expectedRows ?? [])
        lockDeadline = nil
    }

    // MARK: - Ends

    /// A plan that others carried out meanwhile leaves a target that was there already.
    private func outcome() -> TargetOutcome {
        let steps = progress?.applied ?? 0
        var outcome = TargetOutcome(
            state: steps > 0 ? .succeeded : .skipped, fromRevisions: progress?.from,
            toRevisions: isCertain ? progress?.expectedRows : nil, steps: steps)
        outcome.warnings = session.warnings
        return outcome
    }

    private func outcome(stoppedBy stop: AttemptStop) -> TargetOutcome {
        var outcome = outcome()
        switch stop {
        case .settled(let settled):
            return settled
        case .cancelled:
            outcome.state = .cancelled
            outcome.failure = TargetAttempt.cancelled
        case .failed(var failure):
            if let state = failure.sqlState, TargetAttempt.waiting.contains(state) {
                failure.blockedBy = session.blockers
            }
            outcome.state = .failed
            outcome.failure = failure
        case .postponed(let failure):
            outcome.state = .failed
            outcome.failure = failure
            outcome.isPostponed = true
        }
        return outcome
    }

    /// How statements end that have waited for a lock for too long.
    private static let waiting = [SQLState.lockNotAvailable, SQLState.queryCanceled]

    private static let cancelled = TenantFailure(
        code: .job(.cancelled),
        message: "the job was cancelled; what was not committed by then was rolled back")

    private static func diverged(_ rows: [String]) -> TenantFailure {
        TenantFailure(
            code: .job(.versionRowsChanged),
            message: "somebody else moved the version rows to \(rows.sorted()) in the meantime",
            hint: "find out who migrates this tenant, then start the job again")
    }
}

extension TenantFailure {
    package static let sharedVersionTable = TenantFailure(
        code: .target(.sharedVersionTable),
        message: "the migrations keep the version rows of all schemas in one table, which says "
            + "nothing of this tenant",
        hint: "set version_table_schema to the tenant's schema; see docs/alembic.md")
}
