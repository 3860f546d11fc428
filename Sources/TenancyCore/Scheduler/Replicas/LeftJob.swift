internal import JobModel
internal import Support

/// A job that was left before its end: since another replica has it, or since the control database
/// has lost it.
struct LeftJob: Sendable {
    /// As it stood.
    let job: JobSnapshot
    /// Results that no table has.
    let unrecorded: [TenantResult]
    let lease: JobLease

    /// `nil` for a job that has ended.
    init?(_ active: ActiveJob) {
        job = active.snapshot
        if job.state.isFinal { return nil }
        unrecorded = active.unrecorded(limit: .max)
        lease = active.lease
    }

    /// How the job goes into a control database that has lost it.
    ///
    /// One that was not started stays in the queue. Any other ends: which of its tenants had ended
    /// went with the tables, so that nobody could resume it without doing a relative step twice. What
    /// replicas that assist still have in hand counts as cancelled until they have recorded it.
    func end(at now: Timestamp) -> JobSnapshot {
        guard job.startedAt != nil else { return job }
        var end = job
        end.state = job.state == .cancelling ? .cancelled : .failed
        end.stateReason = JobSnapshot.controlDatabaseRecreated
        end.holds = []
        end.finishedAt = now
        end.counts.move(end.counts.pending, from: .pending, to: .cancelled)
        end.counts.move(end.counts.running, from: .running, to: .cancelled)
        end.version += 1
        return end
    }
}
