package import ControlStore
internal import Engine
package import JobModel
internal import PostgresClient
package import Revisions
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
    private let store: ControlDatabase
    private let migrations: MigrationLibrary
    private let connections: TenantConnections
    private let overridesReadOnly: Bool

    /// Writes where `default_transaction_read_only` is on, if `overridesReadOnly` says so.
    package init(
        store: ControlDatabase, migrations: MigrationLibrary, connections: TenantConnections,
        overridesReadOnly: Bool
    ) {
        self.store = store
        self.migrations = migrations
        self.connections = connections
        self.overridesReadOnly = overridesReadOnly
    }

    /// Settles the step of a tenant's target, which other tenants may share.
    package func resolve(
        _ located: PlacedTenant, _ resolution: StepResolution, caller: Caller
    ) async throws(ResolutionError) {
        let target: Target
        do throws(PlacementError) {
            target = try located.placement.get().target
        } catch {
            throw .placement(error)
        }
        let found = try await asking { () throws(StatusError) in
            try await store.stepJournal.openStep(ofTarget: target.key)
        }
        guard let found else { throw .nothingUnfinished }
        if found.isHeld { throw .inHands }
        // Noted before it is done: nothing is settled that the audit does not know of.
        try await asking { () throws(StatusError) in
            try await store.jobs.audit(
                "tenant.resolve.\(resolution.rawValue)", job: found.job, tenant: located.tenant.id,
                caller: caller)
        }
        if resolution == .markApplied { try await moveRows(of: target, by: found.step) }
        try await asking { () throws(StatusError) in
            switch resolution {
            case .resume: try await store.stepJournal.clearBegun(ofTarget: target.key)
            case .markApplied, .markNotApplied:
                try await store.stepJournal.remove(ofTarget: target.key)
            }
        }
    }

    /// Libpq cannot move the rows of another database.
    private static let stampInstead = TenantFailure(
        code: .target(.notPostgres), message: "the tenant's database is not PostgreSQL",
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
        let settings = SessionSettings(
            lockTimeoutMilliseconds: 3_000, statementTimeoutMilliseconds: 10_000,
            overridesReadOnly: overridesReadOnly)
        let set = migrations.loaded.set
        do throws(PostgresError) {
            try await connections.withConnection(to: target) {
                connection throws(PostgresError) in
                let builder = StepMessageBuilder(
                    graph: set.graph, target: target, settings: settings, scope: .step,
                    serverVersion: connection.serverVersion, runsScripts: false,
                    versionTable: set.versionTable)
                _ = try await connection.execute(
                    builder.resolutionMessage(step).sql, deadline: .after(.seconds(30)))
            }
        } catch {
            throw .tenant(StepResolver.describe(error))
        }
    }

    private static func describe(_ error: PostgresError) -> TenantFailure {
        if case .server(let error) = error, error.sqlState == SQLState.divisionByZero {
            return TenantFailure(
                code: .job(.versionRowsChanged),
                message: "the tenant is being migrated, or its version rows have moved",
                isRetryable: true)
        }
        return FailureDescription.of(error)
    }
}
