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

    /// Writes down what a step had committed whose worker was stopped by a cancel.
    mutating func noteCutOff(
        _ planned: PlannedStep, _ answer: Result<JSONValue, TenantFailure>
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
    static func doubt(over failure: TenantFailure, invalid: [String]) -> String {
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
