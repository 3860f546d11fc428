internal import JobModel
package import PostgresClient

/// Applies plans to targets through libpq.
///
/// It is optimistic: the plan is made from rows read without a lock, and each transaction begins with
/// guards that take the target's lock and compare the rows before the first statement runs. When a
/// guard fails, nothing was done; the engine waits for the lock where that was the reason, reads the
/// rows again and continues from them. So the undisturbed case costs one round trip
/// for the whole plan, and rows that move under it cost one more.
package struct SQLEngine: Sendable {
    /// How transactions are made, and how long others are waited for.
    package struct Options: Sendable {
        package var session: SessionSettings
        package var scope: TransactionScope
        /// How long to wait for another session that migrates the same target.
        package var targetLockTimeout: Duration

        package init(
            session: SessionSettings, scope: TransactionScope, targetLockTimeout: Duration
        ) {
            self.session = session
            self.scope = scope
            self.targetLockTimeout = targetLockTimeout
        }
    }

    package let task: TargetTask
    package let options: Options
    let journal: any StepJournal
    package let watch: LockWatch?
    /// Who runs the steps that the engine cannot.
    package let external: (any ExternalStepRunner)?
    package let noteStart: StartNote

    package init(
        task: TargetTask, options: Options, journal: any StepJournal,
        watch: LockWatch? = nil, external: (any ExternalStepRunner)? = nil,
        noteStart: @escaping StartNote = { (_, _) async throws(TenantFailure) in }
    ) {
        self.task = task
        self.options = options
        self.journal = journal
        self.watch = watch
        self.external = external
        self.noteStart = noteStart
    }

    /// One attempt on `work`, whose progress it keeps up to date for the next.
    package func migrate(_ work: inout TargetWork, by worker: WorkerConnection) async
        -> TargetOutcome
    {
        var attempt = TargetAttempt(engine: self, work: work, worker: worker)
        let outcome = await attempt.run()
        // Read again by the next attempt: what was known may have been why this one failed.
        work.state = nil
        work.progress = attempt.progress
        work.plannedFrom = attempt.plannedFrom
        work.isUnfinished = attempt.journal.mayHaveStep
        return outcome
    }
}
