internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
internal import Tenants

/// What an attempt does about a message that did not run to its end.
extension TargetAttempt {
    mutating func recover(
        from error: PostgresError, message: StepMessage, builder: StepMessageBuilder,
        on connection: PostgresConnection
    ) async throws(Stop) {
        switch error {
        case .server(let server):
            await rollBack(connection)
            didCommit(message.committedSteps(after: server.completedStatements))
            try await recover(from: server, message: message, builder: builder)
        case .cancelled(let completed):
            didCommit(message.committedSteps(after: completed ?? 0))
            isCertain = completed != nil
            throw .cancelled
        case .connectionLost:
            isCertain = false
            try await settle(error)
        case .connectFailed, .deadlinePassed:
            isCertain = false
            throw Stop(error)
        }
    }

    private mutating func recover(
        from error: ServerError, message: StepMessage, builder: StepMessageBuilder
    ) async throws(Stop) {
        let (index, isUnread) = message.part(of: error)
        if isUnread && message.commits > 1 {
            // Nothing ran. What can be read is applied, up to what cannot.
            sendsOneByOne = true
            return
        }
        switch message.parts[index] {
        case _ where error.sqlState == SQLState.readOnlyTransaction:
            throw .failed(
                await readOnly(failure(error, ofPart: index, of: message, builder: builder)))
        case .lock where error.sqlState == SQLState.divisionByZero:
            try await waitForLock()
            try adopt(await read())
        case .guardRows where error.sqlState == SQLState.divisionByZero:
            let found = try await read()
            try countReplan(found.revisions)
            try adopt(found)
        case .guardRows, .createSchema, .versionChange:
            // Under the lock only somebody who does not take it can be in the way, as Alembic
            // itself; where nobody was, it would fail the same way again.
            let sent = state
            let found = try await read()
            if found.isSame(as: sent) {
                throw .failed(failure(error, of: message.parts[index]))
            }
            try countReplan(found.revisions)
            try adopt(found)
        case .opening where error.sqlState == SQLState.featureNotSupported && index == 0:
            // "cannot set transaction read-write mode during recovery": a standby.
            var readOnly = error
            readOnly.sqlState = SQLState.readOnlyTransaction
            await worker.close()
            throw .failed(failure(readOnly, of: message.parts[index]))
        case .statement(let step, _) where isUnread && error.position == nil:
            // Which of its statements it is, the server does not say.
            throw .failed(failure(error, of: .commit(step: step)))
        case .opening, .lock, .commit, .statement:
            throw .failed(
                await namingExtension(
                    failure(error, ofPart: index, of: message, builder: builder)))
        }
    }

    private func failure(
        _ error: ServerError, ofPart index: Int, of message: StepMessage,
        builder: StepMessageBuilder
    ) -> TenantFailure {
        guard case .statement(let step, let statement) = message.parts[index] else {
            return failure(error, of: message.parts[index])
        }
        let offset = error.position.flatMap { message.offset(ofPosition: $0, inPart: index) }
        return failure(error, step: step, statement: statement, builder: builder, offset: offset)
    }

    /// Tells a standby, which is not the server to go on with, from a database that somebody has made
    /// read-only, which stays so until he is asked.
    mutating func readOnly(_ failure: TenantFailure) async -> TenantFailure {
        let row: [String?]?
        do throws(PostgresError) {
            let connection = try await connection()
            row = try await connection.query(
                "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')",
                deadline: .after(.seconds(10))
            ).first
        } catch {
            row = nil
        }
        // A standby may have been promoted since it refused the statement.
        guard row == ["f", "on"] else {
            await worker.close()
            return failure
        }
        return failure.asFinal(
            code: .server(.databaseReadOnly),
            hint: "default_transaction_read_only is on for the database or the role, as for "
                + "maintenance: migrate when it is off again, or set tenancy.override_read_only")
    }

    private func failure(_ error: ServerError, of part: StepMessage.Part) -> TenantFailure {
        var failure = FailureDescription.of(.server(error))
        if let step = part.step, let planned = progress?.plan.steps[step] {
            failure.revision = planned.revision
            failure.file = engine.task.graph[planned.revision]?.file
        }
        return failure
    }

    func failure(
        _ error: ServerError, step: Int, statement: Int, builder: StepMessageBuilder, offset: Int?
    ) -> TenantFailure {
        guard let planned = progress?.plan.steps[step], let script = builder.script(of: planned)
        else { return FailureDescription.of(.server(error)) }
        return FailureDescription.of(
            error, revision: engine.task.graph[planned.revision],
            statement: script.statements[statement], offset: offset)
    }

    func rollBack(_ connection: PostgresConnection) async {
        do throws(PostgresError) {
            _ = try await connection.execute("ROLLBACK", deadline: .after(.seconds(10)))
        } catch {
            // What failed stays the cause; a connection that cannot roll back is not used again.
            await connection.close()
        }
    }

    /// Waits until nobody holds the target's lock. Several waits with nothing done in between share
    /// one deadline.
    private mutating func waitForLock() async throws(Stop) {
        let deadline = lockDeadline ?? .after(engine.options.targetLockTimeout)
        if lockDeadline != nil && deadline.hasPassed { throw .failed(TargetAttempt.targetLocked) }
        lockDeadline = deadline
        let isFree: Bool
        var holders: [BlockingSession] = []
        do throws(PostgresError) {
            let connection = try await connection()
            isFree = try await TargetLock.waitUntilFree(
                target.lockKey, on: connection, deadline: deadline)
            if !isFree { holders = try await TargetLock.holders(target.lockKey, on: connection) }
        } catch {
            throw Stop(error)
        }
        if isFree { return }
        var failure = TargetAttempt.targetLocked
        failure.blockedBy = holders
        throw .failed(failure)
    }

    /// After a connection was lost with a message under way: whoever ran it on the server holds
    /// the target's lock until it is over, and then the rows tell what was committed.
    private mutating func settle(_ error: PostgresError) async throws(Stop) {
        await worker.close()
        try await waitForLock()
        let before = progress?.position
        try adopt(await read())
        if progress?.position == before { throw Stop(error) }
        lockDeadline = nil
    }

    private static let targetLocked = TenantFailure(
        code: .job(.targetLocked),
        message: "another session was migrating the same target all the time allowed",
        isRetryable: true,
        hint: "blocked_by names the session that holds the target's advisory lock; let it end, "
            + "or raise scheduler.target_lock_timeout_ms")
}

extension TenantFailure {
    /// The same as one that would be the same at the next attempt.
    fileprivate func asFinal(code: FailureCode, hint: String) -> TenantFailure {
        var failure = self
        failure.code = code
        failure.isRetryable = false
        failure.hint = hint
        return failure
    }
}
