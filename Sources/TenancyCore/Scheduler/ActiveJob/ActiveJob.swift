internal import Engine
internal import JobModel
internal import Support
internal import Synchronization
internal import Tenants

/// A job that runs, as the pager, the workers, the recorder and the API share it: its state under one
/// lock, and the signals that tell of its changes.
///
/// The lock is held for a few instructions, so that a worker takes its next target without a hop to
/// another thread. What decides and what follows from it happen under one hold of the lock: a
/// cancellation in between would leave a target without an end.
final class ActiveJob: Sendable {
    let id: JobID
    let request: JobRequest
    let lease: JobLease
    /// Changes of what the workers wait for.
    let work = Signal()
    /// Changes of what the pager waits for.
    let room = Signal()
    /// Results that came or were recorded.
    let results = Signal()
    /// Requests that results be recorded at once.
    let flushes = Signal()
    /// Changes of the snapshot.
    let changes = Signal()
    /// Requests that what is shared with other replicas be looked at.
    let coordination = Signal()
    /// One question for the quota at a time.
    let quotaRequests = Permits(1)
    let clock: WallClock
    /// This replica's part in the job as an assistant, which ends while the replica leads the job.
    let predecessor: ActiveJob?
    let state: Mutex<ActiveJobState>

    /// A job that migrates at most `limit` tenants at once here until another bound is set.
    init(
        _ job: JobSnapshot, lease: JobLease, clock: WallClock, limit: Int? = nil,
        predecessor: ActiveJob? = nil
    ) {
        self.predecessor = predecessor
        id = job.id
        request = job.request
        self.lease = lease
        self.clock = clock
        state = Mutex(ActiveJobState(job, limit: limit ?? job.request.concurrency))
    }

    // MARK: - Queries

    var snapshot: JobSnapshot {
        state.withLock { state in
            state.refreshHolds(at: clock.now)
            return state.snapshot
        }
    }

    /// The tenants being worked on, by id.
    var runningTenants: [String: TenantResult] { state.withLock { $0.started.running } }

    /// How far the tenants are that have been started and have not ended, by id.
    var startedTenants: [String: TenantResult] { state.withLock { $0.started.all } }

    var isDraining: Bool { state.withLock { $0.isDraining } }
    /// Whether it is drained since the daemon is about to end.
    var isLeaving: Bool { state.withLock { $0.isLeaving } }
    /// Whether this replica leads the job by now, so that its quota is the leader's.
    var isSucceeded: Bool { state.withLock { $0.isSucceeded } }
    var isCancelling: Bool { state.withLock { $0.isCancelling } }

    /// Whether an earlier replica, or this one under an earlier lease, has begun on the job.
    var isResumed: Bool { lease.epoch > 1 }

    /// Changes the state where those who follow the job are to see it.
    func change<R>(_ body: (inout ActiveJobState) -> R) -> R {
        let result = state.withLock { state in
            state.touch()
            return body(&state)
        }
        changes.notify()
        return result
    }

    // MARK: - Control

    func handle(_ event: JobMachine.Event) -> JobMachine.Action {
        let action = state.withLock { $0.handle(event, at: clock.now) }
        if action != .refuse && action != .nothing {
            for signal in [changes, work, room, results, coordination] { signal.notify() }
        }
        return action
    }

    /// Starts nothing more; what runs ends, and the rest is left to whoever takes the job over.
    /// `isLeaving` says that the daemon itself is about to end, `isSucceeded` that it leads the job now.
    func drain(isLeaving: Bool = false, isSucceeded: Bool = false) {
        state.withLock { $0.drain(isLeaving: isLeaving, isSucceeded: isSucceeded) }
        for signal in [work, room, results, coordination] { signal.notify() }
    }

    /// Ends the job as broken: not all of its tenants could be looked at.
    func fail(reason: String) {
        change { $0.fail(reason: reason) }
    }

    /// The job as its end will leave it, to be recorded before anybody sees it.
    func previewOfEnd() -> JobSnapshot {
        state.withLock { $0.preview(at: clock.now) }
    }

    /// Ends the job, unless it was controlled since the preview was made.
    func finish(as preview: JobSnapshot) -> Bool {
        let isDone = state.withLock { $0.finish(as: preview) }
        changes.notify()
        return isDone
    }

    /// Stops the tenants that run, by what the runner has said stops them.
    func interrupt() {
        state.withLock { $0.interrupt }?()
    }

    func onInterrupt(_ interrupt: @escaping @Sendable () -> Void) {
        state.withLock { $0.interrupt = interrupt }
    }
}
