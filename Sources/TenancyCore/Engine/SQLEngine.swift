/// Applies plans to targets through libpq.
///
/// It is optimistic: the plan is made from rows read without a lock, and each transaction begins with
/// guards that take the target's lock and compare the rows before the first statement runs. When a
/// guard fails, nothing was done; the engine waits for the lock where that was the reason, reads the
/// rows again and goes on from where the target stands. So the undisturbed case costs one round trip
/// for the whole plan, and rows that move under it cost one more.
public struct SQLEngine: Sendable {
    public struct Options: Sendable {
        public var session: SessionSettings
        public var scope: TransactionScope
        /// How long to wait for another session that migrates the same target.
        public var targetLockTimeout: Duration

        public init(
            session: SessionSettings, scope: TransactionScope, targetLockTimeout: Duration
        ) {
            self.session = session
            self.scope = scope
            self.targetLockTimeout = targetLockTimeout
        }
    }

    /// Rows that move again and again while nothing of ours gets done: somebody is in a loop.
    private static let replanLimit = 20

    public let task: TargetTask
    public let options: Options

    public init(task: TargetTask, options: Options) {
        self.task = task
        self.options = options
    }

    /// One attempt on `work`, whose progress it keeps up to date for the next.
    func migrate(_ work: inout TargetWork, by worker: WorkerConnection) async -> TargetOutcome {
        var attempt = Attempt(
            engine: self, target: work.target, progress: work.progress,
            plannedFrom: work.plannedFrom)
        let outcome = await attempt.run(known: work.state, worker: worker)
        // Read again by the next attempt: what was known may have been why this one failed.
        work.state = nil
        work.progress = attempt.progress
        return outcome
    }

    /// One attempt on one target: the state between the round trips.
    private struct Attempt {
        let engine: SQLEngine
        let target: Target
        let plannedFrom: [String]?
        var progress: TargetProgress?
        private var state = VersionState.noTable
        private var replans = 0
        /// Whether `progress` tells for sure where the target stands.
        private var isCertain = true

        init(
            engine: SQLEngine, target: Target, progress: TargetProgress?, plannedFrom: [String]?
        ) {
            self.engine = engine
            self.target = target
            self.progress = progress
            self.plannedFrom = plannedFrom
        }

        mutating func run(
            known: VersionState?, worker: WorkerConnection
        ) async -> TargetOutcome {
            do throws(Stop) {
                try await prepare(known: known, worker: worker)
                while let progress, !progress.isComplete {
                    try await advance(worker: worker)
                }
                return outcome()
            } catch {
                return outcome(stoppedBy: error)
            }
        }

        // MARK: Reading and planning

        private mutating func prepare(
            known: VersionState?, worker: WorkerConnection
        ) async throws(Stop) {
            let state: VersionState
            if let known, progress == nil {
                state = known
            } else {
                state = try await read(worker)
            }
            try adopt(state)
        }

        /// Takes what was read of the target: makes the plan, or finds the place on it.
        private mutating func adopt(_ state: VersionState) throws(Stop) {
            self.state = state
            isCertain = true
            switch progress?.reconcile(with: state.revisions) {
            case .onPlan: return
            case .diverged: throw .failed(diverged(state.revisions))
            case .moved:
                replans += 1
                if replans > SQLEngine.replanLimit { throw .failed(diverged(state.revisions)) }
            case nil:
                if resumeEarlierPlan(at: state) { return }
            }
            if let outcome = engine.task.settle(state) { throw .settled(outcome) }
            do throws(RevisionError) {
                let plan = try engine.task.plan(from: state.revisions)
                progress = TargetProgress(plan: plan, from: state.revisions)
            } catch {
                throw .failed(FailureDescription.of(error))
            }
        }

        /// Goes on with the plan of a daemon that died over it, if the target stands on that plan.
        private mutating func resumeEarlierPlan(at state: VersionState) -> Bool {
            guard let plannedFrom, plannedFrom != state.revisions,
                let plan = try? engine.task.plan(from: plannedFrom)
            else { return false }
            var resumed = TargetProgress(plan: plan, from: plannedFrom)
            guard resumed.reconcile(with: state.revisions) == .onPlan else { return false }
            progress = resumed
            return true
        }

        private func read(_ worker: WorkerConnection) async throws(Stop) -> VersionState {
            do throws(PostgresError) {
                let connection = try await worker.connection(for: target.connection)
                let reader = VersionReader(settings: engine.options.session)
                return try await reader.read([target.schema], on: connection)[0]
            } catch {
                throw Stop(error)
            }
        }

        // MARK: Applying

        /// Sends the next message and takes in what came of it.
        private mutating func advance(worker: WorkerConnection) async throws(Stop) {
            guard var progress else { return }
            let connection: PostgresConnection
            do throws(PostgresError) {
                connection = try await worker.connection(for: target.connection)
            } catch {
                throw Stop(error)
            }
            let builder = StepMessageBuilder(
                graph: engine.task.graph, target: target, settings: engine.options.session,
                scope: engine.options.scope, serverVersion: connection.serverVersion,
                runsScripts: engine.task.operation != .stamp)
            let message = builder.message(for: progress, state: state)
            do throws(PostgresError) {
                _ = try await connection.execute(message.sql)
                progress.advance(by: message.steps)
                self.progress = progress
                state = .rows(progress.expectedRows)
            } catch {
                try await recover(
                    from: error, message: message, builder: builder, connection: connection,
                    worker: worker)
            }
        }

        private mutating func recover(
            from error: PostgresError, message: StepMessage, builder: StepMessageBuilder,
            connection: PostgresConnection, worker: WorkerConnection
        ) async throws(Stop) {
            switch error {
            case .server(let server):
                await rollBack(connection)
                progress?.advance(by: message.committedSteps(after: server.completedStatements))
                try await recover(
                    from: server, message: message, builder: builder, worker: worker)
            case .cancelled(let completed):
                progress?.advance(by: message.committedSteps(after: completed ?? 0))
                isCertain = completed != nil
                throw .cancelled
            case .connectionLost:
                isCertain = false
                try await settle(error, worker: worker)
            case .connectFailed, .deadlinePassed:
                throw Stop(error)
            }
        }

        private mutating func recover(
            from error: ServerError, message: StepMessage, builder: StepMessageBuilder,
            worker: WorkerConnection
        ) async throws(Stop) {
            let index = min(error.completedStatements, message.parts.count - 1)
            switch message.parts[index] {
            case .lock where error.sqlState == SQLState.divisionByZero:
                try await waitForLock(worker)
                try adopt(await read(worker))
            case .guardRows, .createSchema, .versionChange:
                // Permission to create the table is not a matter of trying again.
                if error.sqlState == SQLState.insufficientPrivilege {
                    throw .failed(FailureDescription.of(.server(error)))
                }
                replans += 1
                if replans > SQLEngine.replanLimit {
                    throw .failed(FailureDescription.of(.server(error)))
                }
                try adopt(await read(worker))
            case .opening, .lock, .commit:
                throw .failed(FailureDescription.of(.server(error)))
            case .statement(let step, let statementIndex):
                throw .failed(
                    failure(
                        error, step: step, statement: statementIndex, builder: builder,
                        offset: error.position.flatMap {
                            message.offset(ofPosition: $0, inPart: index)
                        }))
            }
        }

        private func failure(
            _ error: ServerError, step: Int, statement: Int, builder: StepMessageBuilder,
            offset: Int?
        ) -> TenantFailure {
            guard let planned = progress?.plan.steps[step],
                let script = builder.script(of: planned)
            else { return FailureDescription.of(.server(error)) }
            return FailureDescription.of(
                error, revision: engine.task.graph[planned.revision],
                statement: script.statements[statement], offset: offset)
        }

        private func rollBack(_ connection: PostgresConnection) async {
            do throws(PostgresError) {
                _ = try await connection.execute("ROLLBACK", deadline: .after(.seconds(10)))
            } catch {
                // What failed stays the cause; a connection that cannot roll back is not used again.
                await connection.close()
            }
        }

        private func waitForLock(_ worker: WorkerConnection) async throws(Stop) {
            let isFree: Bool
            do throws(PostgresError) {
                let connection = try await worker.connection(for: target.connection, schemas: 0)
                isFree = try await TargetLock.waitUntilFree(
                    target.lockKey, on: connection,
                    deadline: .after(engine.options.targetLockTimeout))
            } catch {
                throw Stop(error)
            }
            if !isFree { throw .failed(targetLocked) }
        }

        /// After a connection was lost with a message under way: whoever ran it on the server holds
        /// the target's lock until it is over, and then the rows tell what was committed.
        private mutating func settle(
            _ error: PostgresError, worker: WorkerConnection
        ) async throws(Stop) {
            await worker.close()
            try await waitForLock(worker)
            let before = progress?.position
            try adopt(await read(worker))
            if progress?.position == before { throw Stop(error) }
        }

        // MARK: Ends

        private func outcome() -> TargetOutcome {
            TargetOutcome(
                state: .succeeded, fromRevisions: progress?.from,
                toRevisions: isCertain ? progress?.expectedRows : nil,
                steps: progress?.position ?? 0)
        }

        private func outcome(stoppedBy stop: Stop) -> TargetOutcome {
            var outcome = outcome()
            switch stop {
            case .settled(let settled):
                return settled
            case .cancelled:
                outcome.state = .cancelled
            case .failed(let failure):
                outcome.state = .failed
                outcome.failure = failure
            }
            return outcome
        }

        private var targetLocked: TenantFailure {
            TenantFailure(
                code: "target_locked",
                message: "another session was migrating the same target all the time allowed",
                isRetryable: true,
                hint: "see which session holds the advisory lock in pg_locks, "
                    + "or raise scheduler.target_lock_timeout_ms")
        }

        private func diverged(_ rows: [String]) -> TenantFailure {
            TenantFailure(
                code: "version_rows_changed",
                message: "somebody else moved the version rows to \(rows.sorted()) in the meantime",
                hint: "find out who migrates this tenant, then start the job again")
        }
    }

    /// Why an attempt ended before its plan was done.
    private enum Stop: Error {
        case failed(TenantFailure)
        /// There was nothing to apply.
        case settled(TargetOutcome)
        case cancelled

        init(_ error: PostgresError) {
            if case .cancelled = error {
                self = .cancelled
            } else {
                self = .failed(FailureDescription.of(error))
            }
        }
    }
}
