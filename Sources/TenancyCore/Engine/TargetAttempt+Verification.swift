internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Tenants

/// What an attempt makes of a step that a program of the project's own has run.
///
/// What the program says of its success is not believed: the version rows are read afterwards, and
/// where they do not prove the step, it has failed.
extension TargetAttempt {
    private static let partsMayStay =
        "such a database may keep what a failed step has done so far: look before the next try"

    mutating func verify(_ report: ExternalReport) async throws(AttemptStop) {
        // Until the rows are read again, they may be those before the step or after it.
        isCertain = false
        if report.wasCancelled {
            try await writeCutOff(report)
            throw .cancelled
        }
        let graph = engine.task.graph
        progress?.name(report.namedTypes, of: graph)
        guard report.isJournalTheLock else {
            try await compareWithRows(report)
            // One that stays behind is found obsolete by its rows.
            try? await removeStep()
            return
        }
        let result: Result<Void, AttemptStop>
        do throws(AttemptStop) {
            result = .success(try await compareWithRows(report))
        } catch {
            result = .failure(error)
        }
        try await removeStep()
        try result.get()
    }

    private mutating func compareWithRows(
        _ report: ExternalReport
    ) async throws(AttemptStop) {
        guard let progress else { return }
        let planned = report.planned
        let found = try await read()
        if found == .missingSchema {
            isCertain = true
            throw .failed(failure(planned, TargetTask.missingSchema))
        }
        if Set(found.revisions) == progress.states[progress.position + 1] {
            isCertain = true
            didCommit(1)
            if report.hasStrayed { throw .failed(failure(planned, .wrongSchema)) }
            return
        }
        guard found.revisions.sorted() == progress.expectedRows else {
            try adopt(found)
            return
        }
        isCertain = true
        var reported = reason(report.answer, rows: found.revisions)
        if target.connection.isPostgres {
            if reported.sqlState == SQLState.readOnlyTransaction {
                reported = await session.explainingReadOnly(reported)
            }
            reported = await session.namingExtension(reported)
        }
        try await stop(over: failure(planned, reported), report)
    }

    /// Why a step failed that has left the rows as they were.
    private func reason(
        _ answer: Result<ExternalAnswer, TenantFailure>, rows: [String]
    ) -> TenantFailure {
        switch answer {
        case .failure(let failure): failure
        case .success(let answer):
            if let others = answer.otherRows {
                .looksElsewhere(others, rows)
            } else {
                answer.failure
                    ?? .notMigrated(
                        rows, committed: answer.committed,
                        versionTable: engine.task.versionTable.name)
            }
        }
    }

    /// Ends the attempt with `failure`, or in doubt where something of the step is there to stay.
    private mutating func stop(
        over failure: TenantFailure, _ report: ExternalReport
    ) async throws(AttemptStop) {
        guard !failure.committed.isEmpty || !report.invalidIndexes.isEmpty else {
            throw .failed(failure)
        }
        let step = UnfinishedStep(
            report.planned, from: state.revisions, doubtOver: failure,
            invalidIndexes: report.invalidIndexes)
        isInDoubt = true
        try await journal.write(step)
        var doubt = TenantFailure.inDoubt(step)
        doubt.sqlState = failure.sqlState
        doubt.statement = failure.statement
        doubt.file = failure.file
        doubt.line = failure.line
        doubt.traceback = failure.traceback
        throw .failed(doubt)
    }

    /// Writes down what a step had committed whose program was stopped by a cancel.
    private func writeCutOff(_ report: ExternalReport) async throws(AttemptStop) {
        guard case .failure(let failure) = report.answer, !failure.committed.isEmpty else { return }
        try await journal.writeCancelled(
            UnfinishedStep(
                report.planned, from: state.revisions, doubtOver: failure, invalidIndexes: []))
    }

    /// Removes the step from the journal, unless only a person can say how it stands.
    private func removeStep() async throws(AttemptStop) {
        guard journal.mayHaveStep, isCertain, !isInDoubt else { return }
        do throws(TenantFailure) {
            try await journal.remove()
        } catch {
            throw .failed(error)
        }
    }

    private func failure(_ planned: PlannedStep, _ failure: TenantFailure) -> TenantFailure {
        var failure = failure
        failure.revision = planned.revision
        failure.file = engine.task.graph[planned.revision]?.file
        failure.message = target.connection.scrubbed(failure.message)
        failure.statement = failure.statement.map(target.connection.scrubbed)
        failure.traceback = failure.traceback.map(target.connection.scrubbed)
        failure.committed = failure.committed.map(target.connection.scrubbed)
        if !target.connection.isPostgres, failure.hint == nil {
            failure.hint = TargetAttempt.partsMayStay
        }
        return failure
    }
}

extension TenantFailure {
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
