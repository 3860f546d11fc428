internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
internal import Tenants

/// What an attempt does about a message that did not run to its end.
extension TargetAttempt {
    /// Finds out how far the message came, and returns where the plan can be tried again from there.
    mutating func recover(from interrupted: InterruptedMessage) async throws(AttemptStop) {
        state = interrupted.state
        do throws(AttemptStop) {
            try await reconcile(interrupted)
        } catch {
            // The journal may name the session, and whoever resumes the step waits for its end.
            if interrupted.stage != .start { await session.close() }
            throw error
        }
        if interrupted.stage == .middle {
            await session.close()
            throw .failed(.rowsMovedMidStep)
        }
    }

    private mutating func reconcile(_ interrupted: InterruptedMessage) async throws(AttemptStop) {
        let (message, error) = (interrupted.message, interrupted.error)
        switch error {
        case .server(let server):
            await interrupted.channel.rollBack()
            didCommit(message.committedSteps(after: server.completedStatements))
            try await recover(
                from: server, message: message, builder: interrupted.channel.builder)
        case .cancelled(let completed):
            didCommit(message.committedSteps(after: completed ?? 0))
            isCertain = completed != nil
            throw .cancelled
        case .connectionLost:
            isCertain = false
            try await waitForOrphan(of: error)
        case .connectFailed, .deadlinePassed:
            isCertain = false
            throw AttemptStop(error)
        }
    }

    private mutating func recover(
        from error: ServerError, message: StepMessage, builder: StepMessageBuilder
    ) async throws(AttemptStop) {
        let (index, isUnread) = message.part(of: error)
        if isUnread && message.commits > 1 {
            // Nothing ran. What can be read is applied, up to what cannot.
            sendsOneByOne = true
            return
        }
        switch message.parts[index] {
        case _ where error.sqlState == SQLState.readOnlyTransaction:
            throw .failed(
                await session.explainingReadOnly(
                    failure(error, ofPart: index, of: message, builder: builder)))
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
            await session.close()
            throw .failed(failure(readOnly, of: message.parts[index]))
        case .statement(let step, _) where isUnread && error.position == nil:
            // Which of its statements it is, the server does not say.
            throw .failed(failure(error, of: .commit(step: step)))
        case .opening, .lock, .commit, .statement:
            throw .failed(
                await session.namingExtension(
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
        guard let planned = progress?.plan.steps[step] else {
            return FailureDescription.of(.server(error))
        }
        return builder.failure(error, of: planned, statement: statement, offset: offset)
    }

    private func failure(_ error: ServerError, of part: StepMessage.Part) -> TenantFailure {
        var failure = FailureDescription.of(.server(error))
        if let step = part.step, let planned = progress?.plan.steps[step] {
            failure.revision = planned.revision
            failure.file = engine.task.graph[planned.revision]?.file
        }
        return failure
    }

    /// Waits until nobody holds the target's lock. Several waits with nothing done in between share
    /// one deadline.
    private mutating func waitForLock() async throws(AttemptStop) {
        let deadline = lockDeadline ?? .after(engine.options.targetLockTimeout)
        if lockDeadline != nil && deadline.hasPassed { throw .failed(TargetAttempt.targetLocked) }
        lockDeadline = deadline
        let isFree: Bool
        var holders: [BlockingSession] = []
        do throws(PostgresError) {
            let connection = try await session.connection()
            isFree = try await TargetLock.waitUntilFree(
                target.lockKey, on: connection, deadline: deadline)
            if !isFree { holders = try await TargetLock.holders(target.lockKey, on: connection) }
        } catch {
            throw AttemptStop(error)
        }
        if isFree { return }
        var failure = TargetAttempt.targetLocked
        failure.blockedBy = holders
        throw .failed(failure)
    }

    /// After a connection was lost with a message under way: whoever ran it on the server holds
    /// the target's lock until it is over, and then the rows tell what was committed.
    private mutating func waitForOrphan(of error: PostgresError) async throws(AttemptStop) {
        await session.close()
        try await waitForLock()
        let before = progress?.position
        try adopt(await read())
        if progress?.position == before { throw AttemptStop(error) }
        lockDeadline = nil
    }

    private static let targetLocked = TenantFailure(
        code: .job(.targetLocked),
        message: "another session was migrating the same target all the time allowed",
        isRetryable: true,
        hint: "blocked_by names the session that holds the target's advisory lock; let it end, "
            + "or raise scheduler.target_lock_timeout_ms")
}
