package import JobModel
internal import Revisions

/// Has a program run a step on a database that is not PostgreSQL, where every step is Alembic's own, or
/// write all rows of a stamp. The journal, where one job at a time can have a step of the target, stands
/// in for the target's lock.
struct ForeignRunner: StepRunner {
    let program: (any ExternalStepRunner)?
    let journal: TargetJournal
    let step: ExternalStep
    let planned: PlannedStep
    let isStamp: Bool

    func run() async throws(AttemptStop) -> StepResult {
        if journal.mayHaveStep {
            // One that a person has to settle is not begun again.
            _ = try await journal.resume(planned, rows: step.rows, digests: [""])
        }
        guard let program else { throw .failed(.notPostgres) }
        try await journal.acquire(UnfinishedStep(planned, from: step.rows))
        var report = ExternalReport(planned: planned, answer: await ask(program))
        report.wasCancelled = Task.isCancelled
        report.isJournalTheLock = true
        return .reported(report)
    }

    private func ask(
        _ program: any ExternalStepRunner
    ) async -> Result<ExternalAnswer, TenantFailure> {
        guard isStamp else {
            return await ExternalCall(program: program, step: step, journal: journal).run(planned)
        }
        do throws(TenantFailure) {
            return .success(try await program.stamp(step, planned.applied(to: step.rows)))
        } catch {
            return .failure(error)
        }
    }
}

extension TenantFailure {
    package static let notPostgres = TenantFailure(
        code: .target(.notPostgres),
        message:
            "the tenant's database is not PostgreSQL, and only Alembic projects can migrate it",
        hint: "set migrations.source to \"alembic\", or correct the registry row")
}
