internal import Engine
internal import JobModel
internal import PostgresClient
internal import Support
internal import Synchronization

/// What is in memory of a live job: its snapshot, the targets that wait, the tenants that run, and
/// the results that are not recorded yet. Shared by the pager, the workers, the recorder and the API.
///
/// Everything lies under one lock that is held for a few instructions, so that a worker takes its
/// next target without a hop to another thread. What decides and what follows from it happen under
/// one hold of the lock: a cancellation in between would leave a target without an end.
final class JobRun: Sendable {
    struct State {
        var machine: JobMachine
        var job: JobSnapshot
        /// Tenants that the registry counted and that no page has brought yet.
        var unpaged = 0
        var queue = WorkQueue()
        var running: [String: TenantResult] = [:]
        /// Tenants that were tried and wait for the next attempt, with how the last one ended.
        var aside: [String: TenantResult] = [:]
        /// Targets on their way, with the tenants of later pages that share them.
        var inFlight: [Int64: [TenantName]] = [:]
        var endedTargets: Set<Int64> = []
        /// Targets that other daemons may take, or have taken.
        var offered: [Int64: TargetWork] = [:]
        /// The newest result of theirs that is counted.
        var lastEvent: Int64 = 0
        /// Tenants that run on other daemons, as was last heard.
        var runningElsewhere = 0
        /// Oldest first; removed once they are in the tables.
        var unrecorded: [TenantResult] = []
        var recorded = 0
        var isFlushWanted = false
        var interrupt: (@Sendable () -> Void)?
        var isPagingDone = false
        var isBroken = false
        var isDraining = false
        var isLeaving = false
        /// Whether nothing may start, since the lease is in doubt.
        var isHeld = false
        /// Tenants that this daemon may migrate at once.
        var limit: Int
        /// What may be in hand until the share that was asked for is known.
        var ceiling: Int?
        /// Whether a worker waits for that.
        var isHeldBack = false
        var workers = 0
        var idleWorkers = 0
        /// Workers with a target in hand.
        var busyWorkers = 0

        var isCancelling: Bool { machine.state == .cancelling }

        /// The job's last event, when no tenant is left or none may be started any more.
        var end: JobMachine.Event {
            .tenantsEnded(failures: job.counts.failed, isBroken: isBroken)
        }
    }

    let id: JobID
    let request: JobRequest
    let lease: JobLease
    /// Changes of what the workers wait for.
    let work = Signal()
    /// Changes of what the pager waits for.
    let room = Signal()
    /// Results that came or were recorded.
    let results = Signal()
    /// Wishes that results be recorded at once.
    let flushes = Signal()
    /// Changes of the snapshot.
    let changes = Signal()
    /// Wishes that what is shared with other daemons be looked at.
    let sharing = Signal()
    /// One question for the share at a time.
    let shareTurn = Permits(1)
    let clock: WallClock
    let state: Mutex<State>

    /// A run that migrates at most `limit` tenants at once until another bound is set.
    init(_ job: JobSnapshot, lease: JobLease, clock: WallClock, limit: Int? = nil) {
        id = job.id
        request = job.request
        self.lease = lease
        self.clock = clock
        state = Mutex(
            State(
                machine: JobMachine(state: job.state), job: job,
                limit: limit ?? job.request.concurrency))
    }

    // MARK: - Looking

    var snapshot: JobSnapshot { state.withLock { JobRun.snapshot($0) } }

    /// The tenants being worked on, by id.
    var runningTenants: [String: TenantResult] { state.withLock { $0.running } }

    /// How far the tenants are that have been started and have not ended, by id.
    var startedTenants: [String: TenantResult] {
        state.withLock { $0.running.merging($0.aside) { running, _ in running } }
    }

    var isDraining: Bool { state.withLock { $0.isDraining } }
    /// Whether it is drained since the daemon is about to end.
    var isLeaving: Bool { state.withLock { $0.isLeaving } }
    var isCancelling: Bool { state.withLock { $0.isCancelling } }

    /// Whether an earlier daemon, or this one under an earlier lease, has begun on the job.
    var isResumed: Bool { lease.epoch > 1 }

    private static func snapshot(_ state: State) -> JobSnapshot {
        var job = state.job
        job.state = state.machine.state
        let elsewhere = min(state.runningElsewhere, state.offered.count, job.counts.pending)
        job.counts.move(elsewhere, from: .pending, to: .running)
        job.counts.pending += state.unpaged
        return job
    }

    func change<R>(_ body: (inout State) -> R) -> R {
        let result = state.withLock { state in
            state.job.version += 1
            return body(&state)
        }
        changes.notify()
        return result
    }

    // MARK: - Steering

    func handle(_ event: JobMachine.Event) -> JobMachine.Action {
        let action = state.withLock { state in
            let action = state.machine.handle(event)
            switch action {
            case .refuse, .nothing: return action
            case .start: state.job.startedAt = state.job.startedAt ?? clock.now
            case .stop:
                for work in state.queue.removeAll() {
                    JobRun.end(work, work.cancelledOutcome, &state, at: clock.now)
                }
            case .hold, .goOn, .finish: break
            }
            state.job.version += 1
            return action
        }
        for signal in [changes, work, room, results, sharing] { signal.notify() }
        return action
    }

    /// Starts nothing more; what runs ends, and the rest is left to whoever goes on with the job.
    /// `isLeaving` says that the daemon itself is about to end.
    func drain(isLeaving: Bool = false) {
        state.withLock { state in
            state.isDraining = true
            state.isLeaving = state.isLeaving || isLeaving
        }
        for signal in [work, room, results, sharing] { signal.notify() }
    }

    /// Ends the job as broken: not all of its tenants could be looked at.
    func fail(reason: String) {
        change { state in
            state.isBroken = true
            state.job.stateReason = reason
        }
    }

    /// The job as its end will leave it, to be recorded before anybody sees it.
    func previewOfEnd() -> JobSnapshot {
        state.withLock { state in
            var machine = state.machine
            _ = machine.handle(state.end)
            var job = JobRun.snapshot(state)
            job.state = machine.state
            job.finishedAt = clock.now
            job.version += 1
            return job
        }
    }

    /// Ends the job, unless it was steered since the preview was made.
    func finish(as preview: JobSnapshot) -> Bool {
        let isDone = state.withLock { state in
            guard state.job.version + 1 == preview.version else { return false }
            _ = state.machine.handle(state.end)
            state.job.finishedAt = preview.finishedAt
            state.job.version += 1
            return true
        }
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
