package import JobModel
internal import Revisions

/// How an attempt goes on a target whose database is not PostgreSQL: every step is Alembic's own, in
/// a worker. The journal of unfinished steps, which one job at a time can write, stands in for the
/// target's lock.
extension TargetAttempt {
    static let partsMayStay =
        "such a database may keep what a failed step has done so far: look before the next try"

    func readForeign() async throws(Stop) -> VersionState {
        do throws(TenantFailure) {
            return .rows(try await foreignRunner().readRows(foreignStep(nil)))
        } catch {
            if Task.isCancelled { throw .cancelled }
            throw .failed(error)
        }
    }

    /// Has a worker run the next step of the plan, or write all rows of a stamp.
    mutating func advanceForeign(_ progress: TargetProgress) async throws(Stop) {
        let planned = progress.plan.steps[progress.position]
        let isStamp = engine.task.operation == .stamp
        let answer: Result<ExternalAnswer, TenantFailure>
        if isUnfinished, try await findStep(planned, digests: [""]) == nil { return }
        do throws(TenantFailure) {
            let runner = try foreignRunner()
            try await engine.journal.write(
                UnfinishedStep(planned, from: state.revisions), of: target, tenants: tenants)
            isUnfinished = true
            do throws(TenantFailure) {
                if isStamp {
                    answer = .success(
                        try await runner.stamp(
                            foreignStep(planned), planned.applied(to: state.revisions)))
                } else {
                    answer = await run(planned, as: foreignStep(planned), by: runner)
                }
            } catch {
                answer = .failure(error)
            }
        } catch {
            throw .failed(error)
        }
        isCertain = false
        if Task.isCancelled {
            try await noteCutOff(planned, answer)
            throw .cancelled
        }
        let result: Result<Void, Stop>
        do throws(Stop) {
            result = .success(try await conclude(planned, answer, hasStrayed: false))
        } catch {
            result = .failure(error)
        }
        try await forgetStep()
        try result.get()
    }

    private func foreignRunner() throws(TenantFailure) -> any ExternalStepRunner {
        guard let runner = engine.external else { throw .notPostgres }
        return runner
    }

    private func foreignStep(_ planned: PlannedStep?) -> ExternalStep {
        ExternalStep(
            planned: planned, rows: state.revisions, target: target,
            tenant: tenants.first?.identifier, versionTable: engine.task.versionTable,
            session: engine.options.session)
    }
}

extension TenantFailure {
    package static let notPostgres = TenantFailure(
        code: .target(.notPostgres),
        message:
            "the tenant's database is not PostgreSQL, and only Alembic projects can migrate it",
        hint: "set migrations.source to \"alembic\", or correct the registry row")
}
