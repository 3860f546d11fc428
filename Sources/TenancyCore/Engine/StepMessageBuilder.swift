internal import JobModel
internal import PostgresClient
package import Revisions
package import Tenants

/// Builds the messages that apply a plan to one target. Whatever moves version rows is written here.
package struct StepMessageBuilder: Sendable {
    /// A message stays below this, so that neither side buffers without bound.
    static let maxBytes = 1 << 20

    let graph: RevisionGraph
    let target: Target
    let settings: SessionSettings
    let scope: TransactionScope
    let serverVersion: Int
    /// False for a stamp, which writes the version rows only.
    let runsScripts: Bool
    let versionTable: VersionTableName

    package init(
        graph: RevisionGraph, target: Target, settings: SessionSettings, scope: TransactionScope,
        serverVersion: Int, runsScripts: Bool,
        versionTable: VersionTableName = VersionTableName.standard
    ) {
        self.graph = graph
        self.target = target
        self.settings = settings
        self.scope = scope
        self.serverVersion = serverVersion
        self.runsScripts = runsScripts
        self.versionTable = versionTable
    }

    /// The next message of `progress`, up to the first step that cannot commit as a whole. `state` is
    /// what was last known of the target; the message fails at a guard when it is no longer so.
    ///
    /// `isSingle` asks for no more than the first transaction.
    func message(
        for progress: TargetProgress, state: VersionState, isSingle: Bool = false
    ) -> StepMessage {
        var message = StepMessage()
        var bytes = 0
        var rows = progress.expectedRows
        for (index, step) in progress.plan.steps.enumerated().dropFirst(progress.position) {
            let isFirst = message.steps == 0
            if !isFirst && (needsPython(step) || !commitsAsWhole(step)) { break }
            if isFirst || scope == .step {
                if bytes > StepMessageBuilder.maxBytes || isSingle && !isFirst { break }
                open(&message)
                guardState(&message, state: isFirst ? state : .rows(rows), table: table)
            }
            let script = script(of: step)
            lockSchema(&message, for: script)
            let statements = script?.statements ?? []
            message.append(step: index, statements[...], table.change(step))
            bytes += statements.reduce(0) { $0 + $1.text.utf8.count }
            rows = progress.states[index + 1].sorted()
            if scope == .step { message.appendCommit() }
        }
        if scope == .target { message.appendCommit() }
        return message
    }

    /// Whether a step's statements and its version row can commit together.
    func commitsAsWhole(_ step: PlannedStep) -> Bool {
        script(of: step)?.isTransactional(serverVersion: serverVersion) ?? true
    }

    // MARK: - Steps that do not commit as a whole

    /// Checks under the target's lock that it is in `state`; makes the version table where it is
    /// missing.
    func guardMessage(state: VersionState) -> StepMessage {
        var message = openMessage(for: nil, state: state)
        message.append(.opening, "COMMIT")
        return message
    }

    /// Begins a transaction whose id is the message's last result.
    func openMessage(for script: StepScript?, state: VersionState) -> StepMessage {
        var message = StepMessage()
        open(&message)
        guardState(&message, state: state, table: table)
        lockSchema(&message, for: script)
        message.append(.opening, "SELECT txid_current()")
        return message
    }

    /// Undoes whatever was read since `holdMessage`: the transaction that is left is idle, and holds
    /// the target's lock, no snapshot and no lock on a table. Concurrent index builds of its database
    /// do not wait for it, and somebody else can move the version rows.
    static let holdNothingElse = "ROLLBACK TO SAVEPOINT rows"

    /// Takes the target's lock for as long as the transaction stays open, and checks the rows.
    func holdMessage(state: VersionState) -> StepMessage {
        var message = StepMessage()
        open(&message)
        message.append(.opening, "SET LOCAL idle_in_transaction_session_timeout = 0")
        message.append(.opening, "SAVEPOINT rows")
        guardState(&message, state: state, table: table)
        return message
    }

    /// Runs some of a script's statements and ends the transaction, with its mark instead of the new
    /// version row.
    func unitMessage(
        step: Int, _ script: StepScript, _ range: Range<Int>, state: VersionState
    ) -> StepMessage {
        var message = StepMessage()
        for index in range {
            message.append(.statement(step: step, index: index), script.statements[index].text)
        }
        message.append(.opening, table.mark(state.revisions))
        message.append(.opening, "COMMIT")
        return message
    }

    /// Asks whether the unit's transaction `$1` left its mark.
    func markQuery(state: VersionState) -> String { table.isMarked(state.revisions) }

    /// Commits the version row, together with the script's statements from `first` on.
    func endMessage(
        step: Int, _ planned: PlannedStep, _ script: StepScript, from first: Int?,
        state: VersionState
    ) -> StepMessage {
        var message = StepMessage()
        open(&message)
        guardState(&message, state: state, table: table)
        let statements = first.map { script.statements[$0...] } ?? []
        if first != nil { lockSchema(&message, for: script) }
        message.append(step: step, statements, table.change(planned))
        message.appendCommit()
        return message
    }

    /// Takes the target's lock, insists on the rows before `step`, and writes those after it: a person
    /// has said that its statements are done.
    package func resolutionMessage(_ step: UnfinishedStep) -> StepMessage {
        var message = StepMessage()
        open(&message)
        guardState(&message, state: .rows(step.fromRows), table: table)
        let change = PlannedStep(
            revision: step.revision, direction: step.direction,
            deleteVersions: step.fromRows.filter { !step.toRows.contains($0) },
            insertVersions: step.toRows.filter { !step.fromRows.contains($0) }, updateVersion: nil)
        message.append(step: 0, [], table.change(change))
        message.appendCommit()
        return message
    }

    /// A DROP SCHEMA that waits behind the step would otherwise not see what the step makes without a
    /// lock on its schema, and leave that in a schema that is gone. Whoever dropped it first makes the
    /// step fail here.
    private func lockSchema(_ message: inout StepMessage, for script: StepScript?) {
        guard target.schema != nil, script?.leavesSchemaUnlocked == true else { return }
        message.append(.guardRows, table.lockSchema)
    }

    /// What a step runs, in the target's own schema; a stamp runs nothing, and a step of Python's
    /// has nothing that could be sent.
    func script(of step: PlannedStep) -> StepScript? {
        guard runsScripts, let revision = graph[step.revision] else { return nil }
        let script = revision.script(step.direction, serverVersion: serverVersion)?
            .placed(in: target.schema)
        return step.namedBefore.isEmpty ? script : script?.running(after: step.namedBefore).script
    }

    /// Whether Alembic itself has to run a step.
    func needsPython(_ step: PlannedStep) -> Bool {
        runsScripts
            && graph[step.revision]?.needsPython(step.direction, serverVersion: serverVersion)
                == true
    }

    private var table: VersionTable {
        VersionTable(schema: target.schema, name: versionTable)
    }

    private func open(_ message: inout StepMessage) {
        message.append(.opening, settings.begin)
        let statements = settings.statements(
            schema: target.schema, serverVersion: serverVersion)
        for statement in statements { message.append(.opening, statement) }
        message.append(.lock, TargetLock.tryAcquire(target.lockKey))
    }

    private func guardState(
        _ message: inout StepMessage, state: VersionState, table: VersionTable
    ) {
        switch state {
        case .rows(let rows):
            message.append(.guardRows, table.guardRows(rows))
        case .noTable:
            message.append(.guardRows, table.create)
        case .missingSchema:
            if let schema = target.schema {
                message.append(.createSchema, "CREATE SCHEMA \(schema.quoted)")
            }
            message.append(.guardRows, table.create)
        }
    }
}

extension StepMessageBuilder {
    /// Why a statement of a step failed; `offset` says where in it, in characters.
    func failure(
        _ error: ServerError, of planned: PlannedStep, statement: Int, offset: Int?
    ) -> TenantFailure {
        guard let script = script(of: planned) else {
            return FailureDescription.of(.server(error))
        }
        return FailureDescription.of(
            error, revision: graph[planned.revision], statement: script.statements[statement],
            offset: offset)
    }
}
