package import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
internal import Tenants

/// One attempt on one target: the state between the round trips.
struct TargetAttempt {
    /// Rows that move again and again while nothing of ours gets done: somebody is in a loop.
    private static let replanLimit = 20

    let engine: SQLEngine
    let target: Target
    let worker: WorkerConnection
    let tenants: [TenantName]
    private let known: VersionState?
    private var visit: ExternalVisit?
    /// Whether the journal may have an unfinished step of the target: it had when the page was read, or
    /// this attempt has written one.
    var isUnfinished: Bool
    /// The rows that are noted as what the plan counts from.
    private(set) var plannedFrom: [String]?
    var progress: TargetProgress?
    /// What the next message builds on.
    var state = VersionState.noTable
    /// Whether `progress` tells for sure where the target stands.
    var isCertain = false
    /// Whether the plan's next step is left to a person: it has committed a part and failed.
    var isInDoubt = false
    /// When to stop waiting for whoever else migrates the target; set while nothing gets done.
    var lockDeadline: Deadline?
    /// Whether steps need one session throughout, which a transaction pooler does not give.
    private var isPastPooler = false
    /// Whether each transaction is a message of its own, since the server cannot read all of them.
    var sendsOneByOne = false
    /// What steps that went through have left for a person.
    var warnings: [String] = []
    /// Who was in the way of the last message.
    private var blockers: [BlockingSession] = []
    private var replans = 0
    private var isCounted = false

    init(engine: SQLEngine, work: TargetWork, worker: WorkerConnection) {
        self.engine = engine
        self.worker = worker
        target = work.target
        tenants = work.tenants
        known = work.state
        isUnfinished = work.isUnfinished
        plannedFrom = work.plannedFrom
        progress = work.progress
    }

    mutating func run() async -> TargetOutcome {
        let outcome = await attempt()
        if let visit { await engine.external?.end(visit) }
        return outcome
    }

    /// What the attempt's steps that others run have in common; begun with the first of them.
    mutating func externalVisit() -> ExternalVisit {
        let visit = visit ?? ExternalVisit()
        self.visit = visit
        return visit
    }

    private mutating func attempt() async -> TargetOutcome {
        do throws(Stop) {
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
                try await advance()
            }
            if isUnfinished { await forgetObsoleteStep() }
            return outcome()
        } catch {
            if case .settled = error, isUnfinished { await forgetObsoleteStep() }
            return outcome(stoppedBy: error)
        }
    }

    // MARK: - Reading and planning

    mutating func read() async throws(Stop) -> VersionState {
        guard target.connection.isPostgres else { return try await readForeign() }
        do throws(PostgresError) {
            let connection = try await connection()
            let reader = VersionReader(
                settings: engine.options.session, table: engine.task.versionTable)
            let token = beginWatch(connection)
            defer { endWatch(token) }
            return try await reader.read([target.schema], on: connection)[0]
        } catch {
            throw Stop(error)
        }
    }

    /// The worker's connection to the target, which counts as one schema more for its backend.
    mutating func connection() async throws(PostgresError) -> PostgresConnection {
        let parameters = isPastPooler ? target.direct ?? target.connection : target.connection
        let connection = try await worker.connection(
            for: parameters, schemas: isCounted ? 0 : 1)
        isCounted = true
        return connection
    }

    /// Takes what was read of the target: makes the plan, or finds the place on it.
    mutating func adopt(_ state: VersionState) throws(Stop) {
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

    /// Goes on with the plan of a daemon that died over it, if the target stands on that plan.
    private mutating func resumeEarlierPlan(at state: VersionState) throws(Stop) -> Bool {
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

    mutating func countReplan(_ rows: [String]) throws(Stop) {
        replans += 1
        if replans > TargetAttempt.replanLimit { throw .failed(TargetAttempt.diverged(rows)) }
    }

    // MARK: - Applying

    /// An absolute target leads to the same end from wherever the next daemon finds the tenant, unless
    /// the steps depend on what ran before them.
    private mutating func noteStart(of progress: TargetProgress) async throws(Stop) {
        guard engine.task.isRelative || progress.plan.isOneRun, plannedFrom != progress.from else {
            return
        }
        do throws(TenantFailure) {
            try await engine.noteStart(tenants, progress.from)
            plannedFrom = progress.from
        } catch {
            throw .failed(error)
        }
    }

    /// Sends the next message and takes in what came of it.
    private mutating func advance() async throws(Stop) {
        guard let progress else { return }
        guard target.connection.isPostgres else { return try await advanceForeign(progress) }
        var connection = try await reach()
        let builder = StepMessageBuilder(
            graph: engine.task.graph, target: target, settings: engine.options.session,
            scope: engine.options.scope, serverVersion: connection.serverVersion,
            runsScripts: engine.task.operation != .stamp,
            versionTable: engine.task.versionTable)
        let next = progress.plan.steps[progress.position]
        if builder.needsPython(next) {
            return try await advanceByPython(next, builder: builder, on: connection)
        }
        if let script = builder.script(of: next), isUnfinished || !builder.commitsAsWhole(next) {
            if target.direct != nil && !isPastPooler {
                isPastPooler = true
                connection = try await reach()
            }
            return try await advanceByUnits(next, script, builder: builder, on: connection)
        }
        let message = builder.message(for: progress, state: state, isSingle: sendsOneByOne)
        do throws(PostgresError) {
            _ = try await send(message.sql, on: connection)
            didCommit(message.steps)
        } catch {
            try await recover(from: error, message: message, builder: builder, on: connection)
        }
    }

    private mutating func reach() async throws(Stop) -> PostgresConnection {
        do throws(PostgresError) {
            return try await connection()
        } catch {
            throw Stop(error)
        }
    }

    /// Sends a message, and learns who is in its way if that takes long.
    mutating func send(
        _ sql: String, on connection: PostgresConnection
    ) async throws(PostgresError) -> [StatementResult] {
        let token = beginWatch(connection)
        defer { endWatch(token) }
        return try await connection.execute(sql)
    }

    private func beginWatch(_ connection: PostgresConnection) -> Int? {
        engine.watch?.begin(
            target.connection, backend: connection.backendID, tenants: tenants.map(\.id))
    }

    private mutating func endWatch(_ token: Int?) {
        blockers = token.flatMap { engine.watch?.end($0) } ?? []
    }

    mutating func didCommit(_ steps: Int) {
        guard steps > 0 else { return }
        progress?.advance(by: steps)
        state = .rows(progress?.expectedRows ?? [])
        lockDeadline = nil
    }

    /// Strikes out a step that is finished: by one who died before he could, or while the control
    /// database was away, which is waited for a little. One that stays behind is found obsolete by
    /// its rows.
    private func forgetObsoleteStep() async {
        let deadline = Deadline.after(.seconds(5))
        while true {
            do throws(TenantFailure) {
                guard let step = try await engine.journal.find(target),
                    step.finding(rows: state.revisions, next: nil, digests: []) == .obsolete
                else { return }
                return try await engine.journal.remove(target)
            } catch {
                if !error.isRetryable || deadline.hasPassed { return }
            }
            guard (try? await Task.sleep(for: .milliseconds(200))) != nil else { return }
        }
    }

    // MARK: - Ends

    /// A plan that others carried out meanwhile leaves a target that was there already.
    private func outcome() -> TargetOutcome {
        let steps = progress?.applied ?? 0
        var outcome = TargetOutcome(
            state: steps > 0 ? .succeeded : .skipped, fromRevisions: progress?.from,
            toRevisions: isCertain ? progress?.expectedRows : nil, steps: steps)
        outcome.warnings = warnings
        return outcome
    }

    private func outcome(stoppedBy stop: Stop) -> TargetOutcome {
        var outcome = outcome()
        switch stop {
        case .settled(let settled):
            return settled
        case .cancelled:
            outcome.state = .cancelled
            outcome.failure = TargetAttempt.cancelled
        case .failed(var failure):
            if let state = failure.sqlState, TargetAttempt.waiting.contains(state) {
                failure.blockedBy = blockers
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

    /// Why an attempt ended before its plan was done.
    enum Stop: Error {
        case failed(TenantFailure)
        /// Its turn has not come; nothing was tried.
        case postponed(TenantFailure)
        /// There was nothing to apply.
        case settled(TargetOutcome)
        case cancelled

        init(_ error: PostgresError) {
            if case .cancelled = error {
                self = .cancelled
            } else {
                self = .failed(FailureDescription.of(error))
            }
        }
    }
}

extension TenantFailure {
    package static let sharedVersionTable = TenantFailure(
        code: .target(.sharedVersionTable),
        message: "the migrations keep the version rows of all schemas in one table, which says "
            + "nothing of this tenant",
        hint: "set version_table_schema to the tenant's schema; see docs/alembic.md")
}
