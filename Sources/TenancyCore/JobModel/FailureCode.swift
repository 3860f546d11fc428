package import Revisions
package import Tenants

/// Why a tenant failed, as programs read it. docs/errors.md has a row for each, with what to do.
///
/// The codes lie in groups, so that a decision names the few codes it is about and the other groups
/// as a whole, and stays exhaustive.
package enum FailureCode: Sendable, Hashable {
    case server(Server)
    case statement(Statement)
    case target(Target)
    case job(Job)
    case step(Step)
    case alembic(Alembic)
    /// The tenant's row does not say where it lives.
    case placement(PlacementError.Code)
    /// No plan leads to the job's target.
    case plan(RevisionError.Code)
    /// A code that another release has stored; `init(_:)` alone makes it.
    case unrecognized(String)

    /// The connection to the tenant's server, or the server as a whole.
    package enum Server: String, Sendable, CaseIterable {
        case unreachable
        /// It shuts down, or has not recovered yet.
        case unavailable = "server_unavailable"
        case tooManyConnections = "too_many_connections"
        /// A standby.
        case readOnly = "server_read_only"
        case databaseReadOnly = "database_read_only"
        /// libpq did not get as far as the server.
        case clientRefused = "client_refused"
        case connectionLost = "connection_lost"
        case timeout
    }

    /// A statement of a migration that PostgreSQL has refused.
    package enum Statement: String, Sendable, CaseIterable {
        case lockTimeout = "lock_timeout"
        case statementTimeout = "statement_timeout"
        case deadlock
        case serializationFailure = "serialization_failure"
        case permissionDenied = "permission_denied"
        /// Any other SQLSTATE.
        case failed = "statement_failed"
    }

    /// The tenant's database or schema is not what the migrations need.
    package enum Target: String, Sendable, CaseIterable {
        case schemaMissing = "schema_missing"
        case schemaNeeded = "schema_needed"
        case sharedVersionTable = "shared_version_table"
        case notPostgres = "not_postgres"
        /// No database that Alembic can migrate here.
        case databaseUnsupported = "database_unsupported"
    }

    /// Something beside the tenant: its job, another job, another program.
    package enum Job: String, Sendable, CaseIterable {
        case cancelled
        case tenantGone = "tenant_gone"
        case targetLocked = "target_locked"
        case versionRowsChanged = "version_rows_changed"
        case controlDatabaseUnavailable = "control_database_unavailable"
    }

    /// A step that does not commit as a whole.
    package enum Step: String, Sendable, CaseIterable {
        case inDoubt = "in_doubt"
        case unfinished = "step_unfinished"
        case edited = "step_edited"
        case statementRunning = "statement_running"
        case indexBuildWaits = "index_build_waits"
        case invalidIndexes = "invalid_indexes"
    }

    /// A step that the project's own code carries out.
    package enum Alembic: String, Sendable, CaseIterable {
        case envFailed = "env_failed"
        case revisionFailed = "revision_failed"
        /// The revision's `downgrade()` raises `NotImplementedError`.
        case irreversible
        case pythonMissing = "python_missing"
        case pythonDied = "python_died"
        case pythonTimeout = "python_timeout"
        /// Any other failure that a worker reports.
        case pythonFailed = "python_failed"
        case notMigrated = "not_migrated"
        case wrongSchema = "wrong_schema"
    }
}

extension FailureCode: CaseIterable {
    /// Every code that this release knows.
    package static let allCases: [FailureCode] =
        Server.allCases.map(server) + Statement.allCases.map(statement)
        + Target.allCases.map(target) + Job.allCases.map(job) + Step.allCases.map(step)
        + Alembic.allCases.map(alembic) + PlacementError.Code.allCases.map(placement)
        + RevisionError.Code.allCases.map(plan)
}

extension FailureCode: LosslessStringConvertible {
    private static let byText = Dictionary(
        uniqueKeysWithValues: allCases.map { ($0.description, $0) })

    /// Reads a stored code; one of another release keeps its text.
    package init(_ text: String) {
        self = FailureCode.byText[text] ?? .unrecognized(text)
    }

    /// The code as it is stored and shown.
    package var description: String {
        switch self {
        case .server(let code): code.rawValue
        case .statement(let code): code.rawValue
        case .target(let code): code.rawValue
        case .job(let code): code.rawValue
        case .step(let code): code.rawValue
        case .alembic(let code): code.rawValue
        case .placement(let code): code.rawValue
        case .plan(let code): code.rawValue
        case .unrecognized(let text): text
        }
    }
}
