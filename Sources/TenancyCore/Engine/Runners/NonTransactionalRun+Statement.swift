internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Support

/// How a non-transactional statement runs, and what is special about concurrent index builds and drops.
extension NonTransactionalRun {
    mutating func runStatement(_ index: Int, _ command: NonTransactionalStatement)
        async throws(AttemptStop)
    {
        // First, since the place belongs to a step that the journal knows.
        try await runner.journal.write(step)
        guard command.buildsIndex else { return try await runInPlace(index, command) }
        try await runner.journal.acquireBuildPlace(for: step)
        do throws(AttemptStop) {
            try await runInPlace(index, command)
        } catch {
            await runner.journal.releaseBuildPlace()
            throw error
        }
        await runner.journal.releaseBuildPlace()
    }

    private mutating func runInPlace(
        _ index: Int, _ command: NonTransactionalStatement
    ) async throws(AttemptStop) {
        let recovery = recovery
        var begun = session
        begun.digest = digests[step.unit + 1]
        do throws(PostgresError) {
            try await recovery.clear(before: command)
            if case .createIndex(nil, let table) = command {
                begun.indexes = try await recovery.indexIDs(of: table)
            }
            try await boundWaits(of: command)
        } catch {
            throw AttemptStop(error)
        }
        try await refuseWithInvalidIndexes(by: command, recovery)
        step.begun = begun
        try await runner.journal.write(step)
        do throws(PostgresError) {
            let statement = runner.script.statements[index].text
            _ = try await channel.session.send(statement, on: channel.connection)
        } catch .server(let error) {
            let failure = channel.builder.failure(
                error, of: runner.planned, statement: index,
                offset: error.position.map { $0 - 1 })
            throw .failed(await explained(failure, of: command, recovery))
        } catch {
            await channel.session.close()
            throw AttemptStop(error)
        }
        await warnOfInvalidIndexes(by: command, recovery)
    }

    /// They wait for every older snapshot of their database, also of other tenants' readers, and keep
    /// nobody from anything meanwhile.
    private func boundWaits(of command: NonTransactionalStatement) async throws(PostgresError) {
        let settings = channel.builder.settings
        let bound =
            command.waitsHarmlessly
            ? settings.concurrentLockTimeoutMilliseconds : settings.lockTimeoutMilliseconds
        _ = try await channel.connection.execute(
            "SET lock_timeout = \(bound)", deadline: .after(.seconds(30)))
    }

    /// Names what earlier interrupted rebuilds have left and the successful one has not removed: PostgreSQL
    /// skips INVALID indexes of a TOAST table.
    private func warnOfInvalidIndexes(
        by command: NonTransactionalStatement, _ recovery: StatementRecovery
    ) async {
        guard case .reindexConcurrently = command,
            let left = try? await recovery.rebuiltInToast(), !left.isEmpty
        else { return }
        channel.session.warnings.append(
            NonTransactionalRun.named(left) + "; " + NonTransactionalRun.toastRemedy)
    }

    private static func named(_ left: [(index: String, table: String)]) -> String {
        "INVALID indexes were left in pg_toast: "
            + left.map { "\($0.index) of \($0.table)" }.joined(separator: ", ")
    }

    private static let toastRemedy =
        "each write has to serve them: drop them as a superuser (DROP INDEX CONCURRENTLY "
        + "pg_toast.NAME), or let the role do so by GRANT USAGE ON SCHEMA pg_toast; a command that "
        + "rewrites the table takes them away, too, and VACUUM FULL and TRUNCATE do not"

    /// Refuses a rebuild while earlier ones have left INVALID indexes in `pg_toast` that cannot be cleared:
    /// an interrupted attempt would leave one more.
    private func refuseWithInvalidIndexes(
        by command: NonTransactionalStatement, _ recovery: StatementRecovery
    ) async throws(AttemptStop) {
        guard case .reindexConcurrently = command else { return }
        let left: [(index: String, table: String)]
        do throws(PostgresError) {
            left = try await recovery.rebuiltInToast()
        } catch {
            throw AttemptStop(error)
        }
        if left.isEmpty { return }
        let revision = runner.planned.revision
        throw .failed(
            TenantFailure(
                code: .step(.invalidIndexes), message: NonTransactionalRun.named(left),
                revision: revision, file: channel.builder.graph[revision]?.file,
                hint: NonTransactionalRun.toastRemedy))
    }

    /// Clears what a failed statement has left, and adds what only a person can clear.
    private func explained(
        _ failure: TenantFailure, of command: NonTransactionalStatement,
        _ recovery: StatementRecovery
    ) async -> TenantFailure {
        var failure = failure
        if failure.sqlState == SQLState.readOnlyTransaction {
            failure = await channel.session.explainingReadOnly(failure)
        }
        if command.waitsHarmlessly, failure.sqlState == SQLState.lockNotAvailable {
            failure.hint =
                "the statement waits for each transaction of the database whose snapshot is older, "
                + "whatever table it reads; end the session that blocked_by names, or raise "
                + "scheduler.concurrent_lock_timeout_ms"
        }
        // A build that failed leaves an INVALID index, which every write would have to serve.
        try? await recovery.clear(before: command)
        guard case .reindexConcurrently = command,
            let left = try? await recovery.rebuiltInToast(), !left.isEmpty
        else { return failure }
        // Each interrupted attempt would leave one more.
        failure.isRetryable = false
        failure.message += "; " + NonTransactionalRun.named(left)
        failure.hint = NonTransactionalRun.toastRemedy
        return failure
    }
}
