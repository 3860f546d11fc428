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
        "each write has to serve them: drop them as a superuser (DROP INDEX CONCURRENTLY "
        + "pg_toast.NAME), or let the role do so by GRANT USAGE ON SCHEMA pg_toast; a command that "
        + "rewrites the table takes them away, too, and VACUUM FULL and TRUNCATE do not"

    /// Refuses a rebuild while what earlier ones have left in `pg_toast` is there, and cannot be cleared
    /// away: an attempt that is cut off would leave one more.
    func refuseToAddLeftovers(
        by planned: PlannedStep, _ command: OutsideCommand, _ leftovers: Leftovers
    ) async throws(Stop) {
        guard case .reindexConcurrently = command else { return }
        let left: [(index: String, table: String)]
        do throws(PostgresError) {
            left = try await leftovers.rebuiltInToast()
        } catch {
            throw Stop(error)
        }
        if left.isEmpty { return }
        throw .failed(
            TenantFailure(
                code: .step(.invalidIndexes), message: TargetAttempt.named(left),
                revision: planned.revision, file: engine.task.graph[planned.revision]?.file,
                hint: TargetAttempt.toastRemedy))
    }

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
