internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Tenants

/// How an attempt ends over a step of Alembic's own that has failed.
///
/// A step that has committed nothing is rolled back and may be tried again. One that has committed a
/// part cannot be tried again from its start: it would meet its own work, and the second error would
/// hide the first. It is left to a person then, in the journal of unfinished steps.
extension TargetAttempt {
    /// Ends the attempt with `failure`, or with a doubt where something of the step is there to stay,
    /// such as the indexes `invalid` that it has left half built.
    mutating func leave(
        _ planned: PlannedStep, _ failure: TenantFailure, invalid: [String]
    ) async throws(Stop) {
        guard !failure.committed.isEmpty || !invalid.isEmpty else { throw .failed(failure) }
        let step = doubtful(planned, failure, invalid)
        isInDoubt = true
        try await write(step)
        var doubt = TenantFailure.inDoubt(step)
        doubt.sqlState = failure.sqlState
        doubt.statement = failure.statement
        doubt.file = failure.file
        doubt.line = failure.line
        doubt.traceback = failure.traceback
        throw .failed(doubt)
    }

    /// Has a worker run a step. As soon as that has committed a part, it is written down as one that
    /// only a person can settle, for whoever goes on should this daemon die.
    package mutating func run(
        _ planned: PlannedStep, as step: ExternalStep, by runner: any ExternalStepRunner
    ) async -> Result<ExternalAnswer, TenantFailure> {
        let (reports, reporter) = AsyncStream<[String]>.makeStream(
            bufferingPolicy: .bufferingOldest(1))
        let (journal, target, tenants) = (engine.journal, target, tenants)
        let begun = UnfinishedStep(planned, from: state.revisions)
        async let isNoted = TargetAttempt.note(reports, of: begun) {
            (step) async throws(TenantFailure) in
            try await journal.write(step, of: target, tenants: tenants)
        }
        let answer: Result<ExternalAnswer, TenantFailure>
        do throws(TenantFailure) {
            answer = .success(
                try await runner.run(step) { committed in
                    // With the version row it has committed the whole of its work.
                    if committed.contains(where: { $0.contains(step.versionTable.name) }) { return }
                    reporter.yield(committed.map(target.connection.scrubbed))
                })
        } catch {
            answer = .failure(error)
        }
        reporter.finish()
        if await isNoted { isUnfinished = true }
        return answer
    }

    /// Writes down the first part that a step reports as committed; whether it did.
    private static func note(
        _ reports: AsyncStream<[String]>, of begun: UnfinishedStep,
        write: @Sendable (UnfinishedStep) async throws(TenantFailure) -> Void
    ) async -> Bool {
        for await committed in reports {
            var step = begun
            step.statement = committed.last ?? ""
            step.doubt = doubt(over: .daemonEnded(committed), invalid: [])
            do throws(TenantFailure) {
                try await write(step)
                return true
            } catch {
                continue  // With the next part.
            }
        }
        return false
    }

    /// Strikes a step out of the journal: its rows tell how it stands.
    mutating func forgetStep() async throws(Stop) {
        guard isUnfinished, isCertain, !isInDoubt else { return }
        do throws(TenantFailure) {
            try await engine.journal.remove(target)
            isUnfinished = false
        } catch {
            throw .failed(error)
        }
    }

    /// Writes down what a step had committed whose worker was stopped by a cancel.
    mutating func noteCutOff(
        _ planned: PlannedStep, _ answer: Result<ExternalAnswer, TenantFailure>
    ) async throws(Stop) {
        guard case .failure(let failure) = answer, !failure.committed.isEmpty else { return }
        let step = doubtful(planned, failure, [])
        isInDoubt = true
        isUnfinished = true
        let (journal, target, tenants) = (engine.journal, target, tenants)
        // This task is cancelled, and what it writes would be too.
        let writing = Task { () async -> TenantFailure? in
            do throws(TenantFailure) {
                try await journal.write(step, of: target, tenants: tenants)
                return nil
            } catch {
                return error
            }
        }
        if let error = await writing.value { throw .failed(error) }
    }

    private func doubtful(
        _ planned: PlannedStep, _ failure: TenantFailure, _ invalid: [String]
    ) -> UnfinishedStep {
        var step = UnfinishedStep(planned, from: state.revisions)
        step.statement = failure.statement ?? failure.committed.last ?? ""
        step.doubt = TargetAttempt.doubt(over: failure, invalid: invalid)
        return step
    }

    /// The first error, then what is known to be there.
    package static func doubt(over failure: TenantFailure, invalid: [String]) -> String {
        var text = failure.message
        if !failure.committed.isEmpty {
            text += "; committed before that: \(failure.committed.joined(separator: "; "))"
        }
        if !invalid.isEmpty {
            text += "; indexes left INVALID, to be dropped: \(invalid.joined(separator: ", "))"
        }
        return text
    }
}

extension TenantFailure {
    fileprivate static func daemonEnded(_ committed: [String]) -> TenantFailure {
        var failure = TenantFailure(
            code: .alembic(.pythonDied), message: "the daemon that ran it ended before the step did"
        )
        failure.committed = committed
        return failure
    }
}
