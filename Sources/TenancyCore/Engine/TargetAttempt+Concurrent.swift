internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Support

/// What is different about statements that build or drop an index beside the application.
extension TargetAttempt {
    /// They wait for every older snapshot of their database, also of other tenants' readers, and keep
    /// nobody from anything meanwhile.
    func boundWaits(
        of command: OutsideCommand, on connection: PostgresConnection
    ) async throws(PostgresError) {
        let session = engine.options.session
        let bound =
            command.waitsHarmlessly
            ? session.concurrentLockTimeoutMilliseconds : session.lockTimeoutMilliseconds
        _ = try await connection.execute(
            "SET lock_timeout = \(bound)", deadline: .after(.seconds(30)))
    }

    /// Names what earlier rebuilds that were cut off have left and the one that went through has not
    /// taken away: PostgreSQL passes over INVALID indexes of a TOAST table.
    mutating func noteLeftovers(of command: OutsideCommand, _ leftovers: Leftovers) async {
        guard case .reindexConcurrently = command,
            let left = try? await leftovers.rebuiltInToast(), !left.isEmpty
        else { return }
        warnings.append(TargetAttempt.named(left) + "; " + TargetAttempt.toastRemedy)
    }

    private static func named(_ left: [(index: String, table: String)]) -> String {
        "INVALID indexes were left in pg_toast: "
            + left.map { "\($0.index) of \($0.table)" }.joined(separator: ", ")
    }

    private static let toastRemedy =
        "nobody can drop those by name, and each write has to serve them; a command that rewrites "
        + "the table takes them away, such as ALTER TABLE ... ALTER COLUMN ... TYPE with USING, "
        + "and VACUUM FULL and TRUNCATE do not"

    /// Clears away what a statement that failed has left, and says what nobody but a person can.
    mutating func explained(
        _ failure: TenantFailure, of command: OutsideCommand, _ leftovers: Leftovers
    ) async -> TenantFailure {
        var failure = failure
        if failure.sqlState == SQLState.readOnlyTransaction { failure = await readOnly(failure) }
        if command.waitsHarmlessly, failure.sqlState == SQLState.lockNotAvailable {
            failure.hint =
                "the statement waits for each transaction of the database whose snapshot is older, "
                + "whatever table it reads; end the session that blocked_by names, or raise "
                + "scheduler.concurrent_lock_timeout_ms"
        }
        // A build that failed leaves an INVALID index, which every write would have to serve.
        try? await leftovers.clear(before: command)
        guard case .reindexConcurrently = command,
            let left = try? await leftovers.rebuiltInToast(), !left.isEmpty
        else { return failure }
        // Each attempt that is cut off would leave one more.
        failure.isRetryable = false
        failure.message += "; " + TargetAttempt.named(left)
        failure.hint = TargetAttempt.toastRemedy
        return failure
    }
}
