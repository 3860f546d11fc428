package import ControlStore
package import Engine
package import JobModel
internal import PostgresClient
package import Revisions
package import Scheduler
internal import Support
package import Tenants

/// How a person settles a step that was begun and not finished.
package enum StepResolution: String, Sendable, CaseIterable {
    /// The statement that was interrupted runs again when the tenant is migrated next.
    case resume
    /// The whole step is done: the version rows say so from now on.
    case markApplied = "mark_applied"
    /// Nothing of the step is there: it begins anew when the tenant is migrated next.
    case markNotApplied = "mark_not_applied"
}

/// Why a step is not settled.
package enum ResolutionError: Error, Sendable {
    /// No step of the tenant is unfinished.
    case nothingUnfinished
    /// A job that lives is at work on the step.
    case inHands
    case placement(PlacementError)
    case store(StatusError)
    /// The tenant cannot be reached, or its rows have moved.
    case tenant(TenantFailure)
}

/// Settles unfinished steps on behalf of a person.
package struct StepResolver: Sendable {
    private static let slotPatience = Duration.seconds(10)

    private let environment: JobEnvironment

    package init(_ environment: JobEnvironment) {
        self.environment = environment
    }

    /// Settles the step of a tenant's target, which other tenants may share.
    package func resolve(
        _ entry: TenantEntry, _ resolution: StepResolution, caller: Caller
    ) async throws(ResolutionError) {
        let target: Target
        do throws(PlacementError) {
            target = try entry.placement.get().target
        } catch {
            throw .placement(error)
        }
        let store = environment.store
        let found = try await asking { () throws(StatusError) in
            try await store.openStep(ofTarget: target.key)
        }
        guard let found else { throw .nothingUnfinished }
        if found.isHeld { throw .inHands }
        // Noted before it is done: nothing is settled that the audit does not know of.
        try await asking { () throws(StatusError) in
            try await store.audit(
                "tenant.resolve.\(resolution.rawValue)", job: found.job, tenant: entry.tenant.id,
                caller: caller)
        }
        if resolution == .markApplied { try await moveRows(of: target, by: found.step) }
        try await asking { () throws(StatusError) in
            switch resolution {
            case .resume: try await store.forgetBegun(ofTarget: target.key)
            case .markApplied, .markNotApplied: try await store.removeStep(ofTarget: target.key)
            }
        }
    }

    /// Libpq cannot move the rows of another database.
    private static let stampInstead = TenantFailure(
        code: "not_postgres", message: "the tenant's database is not PostgreSQL",
        hint: "resolve with mark_not_applied, then stamp the tenant where it stands")

    private func asking<R>(
        _ question: () async throws(StatusError) -> R
    ) async throws(ResolutionError) -> R {
        do throws(StatusError) {
            return try await question()
        } catch {
            throw .store(error)
        }
    }

    private func moveRows(
        of target: Target, by step: UnfinishedStep
    ) async throws(ResolutionError) {
        guard target.connection.isPostgres else { throw .tenant(StepResolver.stampInstead) }
        let worker = environment.makeConnection()
        let result: Result<Void, PostgresError>
        do throws(PostgresError) {
            let connection = try await worker.connection(
                for: target.connection, schemas: 1,
                slotUntil: .after(StepResolver.slotPatience))
            let settings = SessionSettings(
                lockTimeoutMilliseconds: 3_000, statementTimeoutMilliseconds: 10_000,
                overridesReadOnly: environment.settings.overridesReadOnly)
            let message = StepResolver.message(
                target, step, settings, environment.migrations.loaded.set.versionTable,
                serverVersion: connection.serverVersion)
            _ = try await connection.execute(message, deadline: .after(.seconds(30)))
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await worker.close()
        switch result {
        case .success: return
        case .failure(.server(let error)) where error.sqlState == SQLState.divisionByZero:
            throw .tenant(
                TenantFailure(
                    code: "version_rows_changed",
                    message: "the tenant is being migrated, or its version rows have moved",
                    isRetryable: true))
        case .failure(let error): throw .tenant(FailureDescription.of(error))
        }
    }

    /// Takes the target's lock, insists on the rows before the step, and writes those after it.
    package static func message(
        _ target: Target, _ step: UnfinishedStep, _ settings: SessionSettings,
        _ versionTable: VersionTableName = .standard, serverVersion: Int
    ) -> String {
        let table = VersionTable(schema: target.schema, name: versionTable)
        let gone = step.fromRows.filter { !step.toRows.contains($0) }
        let new = step.toRows.filter { !step.fromRows.contains($0) }
        let change = PlannedStep(
            revision: step.revision, direction: step.direction, deleteVersions: gone,
            insertVersions: new, updateVersion: nil)
        var statements = [settings.begin]
        statements += settings.statements(schema: target.schema, serverVersion: serverVersion)
        statements += [TargetLock.takeOrFail(target.lockKey), table.guardRows(step.fromRows)]
        statements += table.change(change)
        statements.append("COMMIT")
        return statements.joined(separator: ";\n")
    }
}
