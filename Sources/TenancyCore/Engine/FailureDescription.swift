package import JobModel
package import PostgresClient
package import Revisions
internal import Support
package import Tenants

/// Turns errors of PostgreSQL and of planning into failures of a tenant. Exhaustive, no default code.
package enum FailureDescription {
    /// A statement in an error is cut to this many characters.
    package static let statementLimit = 500

    /// A failure that no statement of a migration caused.
    package static func of(_ error: PostgresError) -> TenantFailure {
        switch error {
        case .connectFailed(let refusal):
            TenantFailure(
                code: connectCode(refusal.origin), message: refusal.message,
                sqlState: refusal.sqlState, isRetryable: refusal.isRetryable,
                hint: connectHint(refusal.origin))
        case .server(let error):
            server(error)
        case .connectionLost(let message):
            TenantFailure(
                code: .server(.connectionLost), message: "the connection was lost: \(message)",
                isRetryable: true)
        case .deadlinePassed:
            TenantFailure(
                code: .server(.timeout), message: "the server did not answer in the time allowed",
                isRetryable: true)
        case .cancelled:
            TenantFailure(code: .job(.cancelled), message: "the job was cancelled")
        }
    }

    /// A statement of a migration failed.
    package static func of(
        _ error: ServerError, revision: Revision?, statement: SQLStatement, offset: Int?
    ) -> TenantFailure {
        var failure = server(error)
        failure.revision = revision?.id
        failure.statement = scrub(statement.text, limit: statementLimit)
        failure.file = revision?.file
        if SharedObjectRace.isOne(
            state: error.sqlState, message: error.message, constraint: error.constraint,
            statement: statement.text)
        {
            failure.isRetryable = true
            failure.hint = SharedObjectRace.hint
        }
        // Statements that Alembic has rendered stand on no line of a file.
        if statement.line > 0 {
            failure.line = offset.map { statement.line(ofCharacter: $0 + 1) } ?? statement.line
        }
        return failure
    }

    /// No plan leads to the target.
    package static func of(_ error: RevisionError) -> TenantFailure {
        TenantFailure(code: .plan(error.code), message: error.message)
    }

    /// The tenant's row does not say where it lives.
    package static func of(_ error: PlacementError) -> TenantFailure {
        TenantFailure(code: .placement(error.code), message: "\(error)")
    }

    private static func server(_ error: ServerError) -> TenantFailure {
        TenantFailure(
            code: code(ofState: error.sqlState), message: error.message, sqlState: error.sqlState,
            isRetryable: SQLState.isRetryable(error.sqlState),
            hint: ownHint(ofState: error.sqlState) ?? error.hint ?? hint(ofState: error.sqlState))
    }

    /// The code of a failure with this SQLSTATE.
    package static func code(ofState state: String) -> FailureCode {
        switch state {
        case SQLState.lockNotAvailable: .statement(.lockTimeout)
        case SQLState.queryCanceled: .statement(.statementTimeout)
        case SQLState.deadlockDetected: .statement(.deadlock)
        case SQLState.serializationFailure: .statement(.serializationFailure)
        case SQLState.insufficientPrivilege: .statement(.permissionDenied)
        case SQLState.adminShutdown, SQLState.crashShutdown, SQLState.cannotConnectNow:
            .server(.unavailable)
        case SQLState.tooManyConnections: .server(.tooManyConnections)
        case SQLState.readOnlyTransaction: .server(.readOnly)
        default: .statement(.failed)
        }
    }

    private static func connectCode(_ origin: ConnectRefusal.Origin) -> FailureCode {
        switch origin {
        case .client: .server(.clientRefused)
        case .server(SQLState.cannotConnectNow), .server(SQLState.adminShutdown),
            .server(SQLState.crashShutdown):
            .server(.unavailable)
        case .server(SQLState.tooManyConnections): .server(.tooManyConnections)
        case .server, .network: .server(.unreachable)
        }
    }

    private static func connectHint(_ origin: ConnectRefusal.Origin) -> String {
        switch origin {
        case .client:
            "correct the options of the tenant's database URL, or the files that it names, "
                + "on the daemon's machine"
        case .server, .network:
            "check that the server runs, and the tenant's database URL and role"
        }
    }

    /// A hint that says more than the server's.
    package static func ownHint(ofState state: String) -> String? {
        state == SQLState.unsafeNewEnumValue
            ? "a value that ALTER TYPE ... ADD VALUE has added can be used only once it is committed: "
                + "use it in a later revision, or run the step with '-- transaction: off' (in Alembic: "
                + "ADD VALUE in autocommit_block); under scheduler.transaction_per \"target\" "
                + "revisions share a transaction"
            : nil
    }

    private static func hint(ofState state: String) -> String? {
        switch state {
        case SQLState.lockNotAvailable:
            "another session holds the table; raise lock_timeout_ms, or try again when it is done"
        case SQLState.queryCanceled:
            "raise statement_timeout_ms, or make the statement cheaper"
        case SQLState.readOnlyTransaction:
            "the connection led to a standby; name all hosts in the URL, with "
                + "target_session_attrs=read-write"
        case SQLState.insufficientPrivilege:
            "grant the role of the tenant's database URL what the statement needs"
        case SQLState.duplicateTable:
            "the target holds objects that its version rows do not account for; "
                + "compare it with the revision and stamp it, or remove the object"
        default: nil
        }
    }
}
