internal import Synchronization

/// What is in memory of a live job: its snapshot, the targets that wait, the tenants that run, and
/// the results that are not recorded yet. Shared by the pager, the workers, the recorder and the API.
///
/// Everything lies under one lock that is held for a few instructions, so that a worker takes its
/// next target without a hop to another thread.
final class JobRun: Sendable {
    /// Results that wait for the control database; workers start nothing more beyond it.
    static let unrecordedLimit = 5_000
    private static let firstErrorsLimit = 10

    private struct State {
        var machine: JobMachine
        var job: JobSnapshot
        /// Tenants that the registry counted and that no page has brought yet.
        var unpaged = 0
        var queue = WorkQueue()
        var running: [String: TenantResult] = [:]
        /// Targets on their way, with the tenants of later pages that share them.
        var inFlight: [Int64: [TenantName]] = [:]
        var endedTargets: Set<Int64> = []
        /// Oldest first; removed once they are in the tables.
        var unrecorded: [TenantResult] = []
        var recorded = 0
        var isFlushWanted = false
        var interrupt: (@Sendable () -> Void)?
        var isPagingDone = false
        var isBroken = false
        var isDraining = false
        var workers = 0
        var idleWorkers = 0
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
    private let clock: WallClock
    private let state: Mutex<State>

    init(_ job: JobSnapshot, lease: JobLease, clock: WallClock) {
        id = job.id
        request = job.request
        self.lease = lease
        self.clock = clock
        state = Mutex(State(machine: JobMachine(state: job.state), job: job))
    }

    // MARK: - Looking

    var snapshot: JobSnapshot {
        state.withLock { state in
            var job = state.job
            job.state = state.machine.state
            job.counts.pending += state.unpaged
            return job
        }
    }

    /// The tenants being worked on, in the order of their ids.
    var runningTenants: [String: TenantResult] { state.withLock { $0.running } }

    var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Whether tenants may still be started, now or later.
    var isStopping: Bool {
        state.withLock { $0.isDraining || $0.machine.state == .cancelling }
    }

    private func change<R>(_ body: (inout State) -> R) -> R {
        let result = state.withLock { state in
            state.job.version += 1
            return body(&state)
        }
        changes.notify()
        return result
    }

    // MARK: - Steering

    func handle(_ event: JobMachine.Event) -> JobMachine.Action {
        let action = change { state in
            let action = state.machine.handle(event)
            switch action {
            case .start: state.job.startedAt = state.job.startedAt ?? clock.now
            case .finish: state.job.finishedAt = clock.now
            case .hold, .goOn, .stop, .refuse, .nothing: break
            }
            return action
        }
        if action == .stop { cancelWaiting() }
        work.notify()
        room.notify()
        return action
    }

    /// Starts nothing more; what runs ends, and the rest is left to whoever goes on with the job.
    func drain() {
        state.withLock { $0.isDraining = true }
        work.notify()
        room.notify()
    }

    func fail(reason: String) {
        change { state in
            state.isBroken = true
            state.job.stateReason = reason
        }
    }

    /// No tenant is left, or none may be started any more: the job's last event.
    func endOfTenants() -> JobMachine.Event {
        state.withLock {
            .tenantsEnded(failures: $0.job.counts.failed, isBroken: $0.isBroken)
        }
    }

    private func cancelWaiting() {
        change { state in
            for work in state.queue.removeAll() {
                JobRun.end(work, .cancelledBeforeStart, &state, at: clock.now)
            }
        }
        results.notify()
    }

    // MARK: - Paging

    func expect(total: Int) {
        change { $0.unpaged = max(0, total - $0.job.counts.total) }
    }

    /// Takes over what was recorded under an earlier lease.
    func resume(ended keys: [Int64], counts: JobCounts) {
        change { state in
            state.endedTargets = Set(keys)
            state.job.counts = counts
        }
    }

    func pagingIsDone() {
        change { state in
            state.isPagingDone = true
            state.unpaged = 0
        }
        work.notify()
    }

    /// Whether the pager may bring another page.
    func hasRoom(for limit: Int) -> Bool {
        state.withLock { state in
            state.queue.readyCount < limit || state.isDraining
                || state.machine.state == .cancelling
        }
    }

    /// How a tenant's target stands in this job so far.
    enum TargetStanding { case new, inFlight, ended }

    func standing(ofTarget key: Int64) -> TargetStanding {
        state.withLock { state in
            if state.endedTargets.contains(key) { return .ended }
            return state.inFlight[key] == nil ? .new : .inFlight
        }
    }

    /// Counts tenants of a page that need no worker.
    func add(ended results: [TenantResult], targets: [Int64]) {
        if results.isEmpty { return }
        change { state in
            state.unpaged = max(0, state.unpaged - results.count)
            state.endedTargets.formUnion(targets)
            for result in results {
                state.job.counts.add(1, to: result.state)
                JobRun.noteFailure(result, &state)
            }
        }
    }

    /// Queues targets of a page; one that is on its way already takes the tenants along.
    ///
    /// - Returns: those that have ended since the page was looked at; nothing is done to them twice.
    func add(_ works: [TargetWork]) -> [TargetWork] {
        let ended = change { state in
            var ended: [TargetWork] = []
            for work in works {
                state.unpaged = max(0, state.unpaged - work.tenants.count)
                state.job.counts.pending += work.tenants.count
                if state.endedTargets.contains(work.target.key) {
                    ended.append(work)
                } else if state.inFlight[work.target.key] != nil {
                    state.inFlight[work.target.key]?.append(contentsOf: work.tenants)
                } else {
                    state.inFlight[work.target.key] = []
                    state.queue.add(work)
                }
            }
            return ended
        }
        // Tenants that were claimed while the job was being cancelled end like the others.
        if isCancelling { cancelWaiting() }
        work.notify()
        return ended
    }

    private var isCancelling: Bool { state.withLock { $0.machine.state == .cancelling } }

    // MARK: - Working

    /// Whether no worker will ever have anything to do again.
    var isWorkDone: Bool {
        state.withLock { state in
            state.isDraining || state.isPagingDone && state.queue.isEmpty
                || state.isPagingDone && state.machine.state == .cancelling
        }
    }

    /// Whether one more worker would have something to do; counts it in.
    func wantsWorker(limit: Int) -> Bool {
        state.withLock { state in
            guard state.workers < limit, state.queue.readyCount > state.idleWorkers else {
                return false
            }
            state.workers += 1
            return true
        }
    }

    enum Next {
        case work(TargetWork)
        /// Nothing to do before this moment, if there is one.
        case wait(generation: Int, until: Deadline)
        case end
    }

    /// The next target for a worker that holds a connection to the database `preferred`.
    func next(preferring preferred: String?) -> Next {
        let generation = work.generation
        let now = clock.now
        let taken: Next? = state.withLock { state in
            if state.isDraining || state.machine.state == .cancelling { return .end }
            if state.machine.state == .paused || state.unrecorded.count > JobRun.unrecordedLimit {
                return nil
            }
            if let work = state.queue.take(preferring: preferred, now: now) {
                return .work(JobRun.start(work, &state, at: now))
            }
            if state.isPagingDone && state.queue.isEmpty { return .end }
            let due = state.queue.nextDue.map { $0.milliseconds(since: now) }
            return .wait(
                generation: generation,
                until: due.map { .after(.milliseconds(max(1, $0))) } ?? .never)
        }
        guard let taken else { return .wait(generation: generation, until: .never) }
        if case .work = taken {
            let isLast = change { $0.isPagingDone && $0.queue.isEmpty }
            room.notify()
            // Those that wait for more learn that there is none.
            if isLast { work.notify() }
        }
        return taken
    }

    /// Counts a worker as idle while it waits.
    func waitForWork(after generation: Int, until deadline: Deadline) async {
        state.withLock { $0.idleWorkers += 1 }
        await work.wait(after: generation, until: deadline)
        state.withLock { $0.idleWorkers -= 1 }
    }

    private static func start(_ work: TargetWork, _ state: inout State, at now: Timestamp)
        -> TargetWork
    {
        var work = work
        work.attempts += 1
        work.startedAt = work.startedAt ?? now
        for tenant in work.tenants {
            var result = TenantResult(
                tenantID: tenant.id, identifier: tenant.identifier, state: .running)
            result.attempts = work.attempts
            result.startedAt = work.startedAt
            result.fromRevisions = work.progress?.from ?? work.state?.revisions
            state.running[tenant.id] = result
        }
        state.job.counts.move(work.tenants.count, from: .pending, to: .running)
        return work
    }

    /// Puts a target aside after a failure that may pass.
    func setAside(_ work: TargetWork, for pause: Duration) {
        change { state in
            for tenant in work.tenants { state.running[tenant.id] = nil }
            state.job.counts.move(work.tenants.count, from: .running, to: .pending)
            let due = Timestamp(milliseconds: clock.now.milliseconds + pause.milliseconds)
            state.queue.setAside(work, until: due)
        }
        self.work.notify()
    }

    /// Takes in how a target ended, for each of its tenants.
    func end(_ work: TargetWork, _ outcome: TargetOutcome) {
        change { JobRun.end(work, outcome, &$0, at: clock.now) }
        results.notify()
    }

    private static func end(
        _ work: TargetWork, _ outcome: TargetOutcome, _ state: inout State, at now: Timestamp
    ) {
        let joined = state.inFlight.removeValue(forKey: work.target.key) ?? []
        state.endedTargets.insert(work.target.key)
        for tenant in work.tenants + joined {
            let wasRunning = state.running.removeValue(forKey: tenant.id) != nil
            let result = TenantResult(tenant, work, outcome, finishedAt: now)
            state.job.counts.move(1, from: wasRunning ? .running : .pending, to: result.state)
            noteFailure(result, &state)
            state.unrecorded.append(result)
        }
    }

    private static func noteFailure(_ result: TenantResult, _ state: inout State) {
        guard let failure = result.failure, result.state == .failed,
            state.job.firstErrors.count < firstErrorsLimit
        else { return }
        state.job.firstErrors.append(
            JobFailureNote(
                tenantID: result.tenantID, identifier: result.identifier, error: failure.message))
    }

    /// Leaves a target that was stopped by a drain to the daemon that goes on with the job.
    func leave(_ work: TargetWork) {
        change { state in
            for tenant in work.tenants { state.running[tenant.id] = nil }
            state.job.counts.move(work.tenants.count, from: .running, to: .pending)
        }
    }

    // MARK: - Recording

    /// The oldest results that are not recorded yet; they stay until `didRecord`.
    func unrecorded(limit: Int) -> [TenantResult] {
        state.withLock { Array($0.unrecorded.prefix(limit)) }
    }

    func didRecord(_ count: Int) {
        let wasFull = state.withLock { state in
            let wasFull = state.unrecorded.count > JobRun.unrecordedLimit
            state.unrecorded.removeFirst(count)
            state.recorded += count
            return wasFull
        }
        results.notify()
        if wasFull { work.notify() }
    }

    /// Waits until every result that is known now has been recorded, or the deadline passes.
    func waitUntilRecorded(until deadline: Deadline = .never) async {
        let wanted = state.withLock { $0.recorded + $0.unrecorded.count }
        while !deadline.hasPassed && !Task.isCancelled {
            let generation = results.generation
            let isDone = state.withLock { state in
                state.isFlushWanted = state.recorded < wanted
                return !state.isFlushWanted
            }
            if isDone { return }
            flushes.notify()
            await results.wait(after: generation, until: deadline)
        }
    }

    /// Whether somebody waits for results to be recorded; asking takes the wish back.
    func takeFlushWish() -> Bool {
        state.withLock { state in
            defer { state.isFlushWanted = false }
            return state.isFlushWanted
        }
    }

    /// The snapshot as `event` will leave it, to be recorded before anybody sees it.
    func preview(_ event: JobMachine.Event) -> JobSnapshot {
        var job = snapshot
        var machine = JobMachine(state: job.state)
        if machine.handle(event) == .finish { job.finishedAt = clock.now }
        job.state = machine.state
        job.version += 1
        return job
    }

    /// Stops the tenants that run, by what the runner has said stops them.
    func interrupt() {
        state.withLock { $0.interrupt }?()
    }

    func onInterrupt(_ interrupt: @escaping @Sendable () -> Void) {
        state.withLock { $0.interrupt = interrupt }
    }
}

extension TargetOutcome {
    static let cancelledBeforeStart = TargetOutcome(
        state: .cancelled,
        failure: TenantFailure(
            code: "cancelled", message: "the job was cancelled before this tenant was started"))
}

extension TenantResult {
    /// What a target's outcome means for one of its tenants.
    init(
        _ tenant: TenantName, _ work: TargetWork?, _ outcome: TargetOutcome, finishedAt: Timestamp
    ) {
        self.init(tenantID: tenant.id, identifier: tenant.identifier, state: outcome.state)
        fromRevisions = outcome.fromRevisions ?? work?.state?.revisions
        toRevisions = outcome.toRevisions
        steps = outcome.steps
        plannedRevisions = outcome.plannedRevisions
        attempts = work?.attempts ?? 0
        startedAt = work?.startedAt ?? (outcome.state == .cancelled ? nil : finishedAt)
        self.finishedAt = finishedAt
        durationMilliseconds = startedAt.map { finishedAt.milliseconds(since: $0) }
        failure = outcome.failure
    }
}
