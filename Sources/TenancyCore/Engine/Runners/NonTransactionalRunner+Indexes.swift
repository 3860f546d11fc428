internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Support

/// A statement that runs outside of transactions, and what is special about those that build or drop an
/// index beside the application.
extension NonTransactionalRun {
    mutating func runAlone(_ index: Int, _ command: OutsideCommand) async throws(AttemptStop) {
        // Written first: the place belongs to a step that the journal knows.
        try await runner.journal.write(step)
        guard command.buildsIndex else { return try await runPlaced(index, command) }
        try await runner.journal.takeBuildPlace(for: step)
        do throws(AttemptStop) {
            try await runPlaced(index, command)
        } catch {
            await runner.journal.giveBuildPlaceBack()
            throw error
        }
        await runner.journal.giveBuildPlaceBack()
    }

    private mutating func runPlaced(
        _ index: Int, _ command: OutsideCommand
    ) async throws(AttemptStop) {
        let leftovers = leftovers
        var begun = session
        begun.digest = digests[step.unit + 1]
        do throws(PostgresError) {
            try await leftovers.clear(before: command)
            if case .createIndex(nil, let table) = command {
                begun.indexes = try await leftovers.indexIDs(of: table)
            }
            try await boundWaits(of: command)
        } catch {
            throw AttemptStop(error)
        }
        try await refuseToAddLeftovers(by: command, leftovers)
        step.begun = begun
        try await runner.journal.write(step)
        do throws(PostgresError) {
            let statement = runner.script.statements[index].text
            _ = try await channel.session.send(statement, on: channel.connection)
        } catch .server(let error) {
            let failure = channel.builder.failure(
                error, of: runner.planned, statement: index,
                offset: error.position.map { $0 - 1 })
            throw .failed(await explained(failure, of: command, leftovers))
        } catch {
            await channel.session.close()
            throw AttemptStop(error)
        }
        await warnOfLeftovers(by: command, leftovers)
    }

    /// They wait for every older snapshot of their database, also of other tenants' readers, and keep
    /// nobody from anything meanwhile.
    private func boundWaits(of command: OutsideCommand) async throws(PostgresError) {
        let settings = channel.builder.settings
        let bound =
            command.waitsHarmlessly
            ? settings.concurrentLockTimeoutMilliseconds : settings.lockTimeoutMilliseconds
        _ = try await channel.connection.execute(
            "SET lock_timeout = \(bound)", deadline: .after(.seconds(30)))
    }

    /// Names what earlier rebuilds that were cut off have left and the one that went through has not
    /// taken away: PostgreSQL passes over INVALID indexes of a TOAST table.
    private func warnOfLeftovers(by command: OutsideCommand, _ leftovers: Leftovers) async {
        guard case .reindexConcurrently = command,
            let left = try? await leftovers.rebuiltInToast(), !left.isEmpty
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

    /// Refuses a rebuild while what earlier ones have left in `pg_toast` is there, and cannot be cleared
    /// away: an attempt that is cut off would leave one more.
    private func refuseToAddLeftovers(
        by command: OutsideCommand, _ leftovers: Leftovers
    ) async throws(AttemptStop) {
        guard case .reindexConcurrently = command else { return }
        let left: [(index: String, table: String)]
        do throws(PostgresError) {
            left = try await leftovers.rebuiltInToast()
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

    /// Clears away what a statement that failed has left, and says what nobody but a person can.
    private func explained(
        _ failure: TenantFailure, of command: OutsideCommand, _ leftovers: Leftovers
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
        try? await leftovers.clear(before: command)
        guard case .reindexConcurrently = command,
            let left = try? await leftovers.rebuiltInToast(), !left.isEmpty
        else { return failure }
        // Each attempt that is cut off would leave one more.
        failure.isRetryable = false
        failure.message += "; " + NonTransactionalRun.named(left)
        failure.hint = NonTransactionalRun.toastRemedy
        return failure
    }
}
