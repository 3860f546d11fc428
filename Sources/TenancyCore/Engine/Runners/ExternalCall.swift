internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Tenants

/// One step as a program of the project's own runs it.
///
/// A step that has committed nothing is rolled back and may be tried again. One that has committed a
/// part cannot be tried again from its start: it would meet its own work, and the second error would
/// hide the first. So as soon as it has committed a part, the journal has it as one that only a person
/// can resolve, for whoever takes over should this daemon die.
struct ExternalCall {
    let program: any ExternalStepRunner
    let step: ExternalStep
    let journal: TargetJournal

    func run(_ planned: PlannedStep) async -> Result<ExternalAnswer, TenantFailure> {
        let (partial, writer) = AsyncStream<UnfinishedStep>.makeStream(
            bufferingPolicy: .bufferingOldest(1))
        return await journal.writing(firstOf: partial) { [program, step] in
            defer { writer.finish() }
            let target = step.target
            let begun = UnfinishedStep(planned, from: step.rows)
            do throws(TenantFailure) {
                return .success(
                    try await program.run(step) { committed in
                        // With the version row it has committed the whole of its work.
                        if committed.contains(where: { $0.contains(step.versionTable.name) }) {
                            return
                        }
                        let committed = committed.map(target.connection.scrubbed)
                        var cutOff = begun
                        cutOff.statement = committed.last ?? ""
                        cutOff.doubt = UnfinishedStep.doubt(
                            over: .daemonEnded(committed), invalidIndexes: [])
                        writer.yield(cutOff)
                    })
            } catch {
                return .failure(error)
            }
        }
    }
}

extension UnfinishedStep {
    /// A step that has failed after a part of it was there to stay.
    init(
        _ planned: PlannedStep, from rows: [String], doubtOver failure: TenantFailure,
        invalidIndexes: [String]
    ) {
        self.init(planned, from: rows)
        statement = failure.statement ?? failure.committed.last ?? ""
        doubt = UnfinishedStep.doubt(over: failure, invalidIndexes: invalidIndexes)
    }

    /// The first error, then what is known to be there.
    fileprivate static func doubt(over failure: TenantFailure, invalidIndexes: [String]) -> String {
        var text = failure.message
        if !failure.committed.isEmpty {
            text += "; committed before that: \(failure.committed.joined(separator: "; "))"
        }
        if !invalidIndexes.isEmpty {
            text +=
                "; indexes left INVALID, to be dropped: \(invalidIndexes.joined(separator: ", "))"
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
