internal import Engine
internal import JobModel
internal import Support
internal import Tenants

/// What a job that runs has in memory, and every rule about it. Pure: moments are passed in.
struct ActiveJobState {
    private static let firstErrorsLimit = 10

    private(set) var machine: JobMachine
    /// All of the snapshot but its state and its counts.
    private(set) var job: JobSnapshot
    private(set) var tally: JobTally
    var queue = TargetQueue()
    var targets = TargetLedger()
    var started = StartedTenants()
    var results = ResultBuffer()
    var quota: ReplicaQuota
    var workers = WorkerCounts()
    /// The number of the newest result of other replicas that is counted here.
    var lastEvent: Int64 = 0
    /// Tenants that run on other replicas, as was last heard.
    private var runningElsewhere = 0
    private var holdLog = HoldLog()
    /// What stops the tenants that run.
    var interrupt: (@Sendable () -> Void)?
    private(set) var isPagingDone = false
    private var isBroken = false
    private(set) var isDraining = false
    private(set) var isLeaving = false
    /// Whether this replica leads the job by now, beside what it still does as an assistant.
    private(set) var isSucceeded = false
    /// Whether nothing may start, since the lease may expire before it is renewed.
    var isLeaseInDoubt = false

    init(_ job: JobSnapshot, limit: Int) {
        machine = JobMachine(state: job.state)
        self.job = job
        tally = JobTally(job.counts)
        quota = ReplicaQuota(limit: limit)
    }

    var isCancelling: Bool { machine.state == .cancelling }
    /// Whether no page needs to be brought any more.
    var isEnding: Bool { isDraining || isCancelling }

    var snapshot: JobSnapshot {
        var job = self.job
        job.state = machine.state
        job.counts = tally.counts(
            runningElsewhere: min(runningElsewhere, targets.published.count))
        job.holds = holdLog.holds
        return job
    }

    /// Whether no worker will ever have anything to do again. One with a target in hand may still
    /// defer it.
    var isWorkDone: Bool {
        if isDraining { return true }
        guard isPagingDone, targets.published.isEmpty else { return false }
        return isCancelling || queue.isEmpty && workers.busy == 0
    }

    var gate: DispatchGate {
        let isOver = isPagingDone && queue.isEmpty && targets.published.isEmpty
        return DispatchGate(
            isEnding: isEnding || isOver, isPaused: machine.state == .paused,
            isLeaseInDoubt: isLeaseInDoubt, unrecorded: results.count, workers: workers.total,
            limit: quota.limit, busyWorkers: workers.busy, quota: quota.inFlightLimit,
            isServerUnavailable: !queue.unavailableServers.isEmpty)
    }

    /// Takes in what holds the job now.
    ///
    /// - Returns: whether that is news.
    @discardableResult
    mutating func refreshHolds(at now: Timestamp) -> Bool {
        let gate = self.gate
        let reasons = gate.isEnding ? [] : gate.holds
        // The replicas ask each other all the time; that is news only where a worker waits for it.
        let shown = reasons.filter { $0 != .replicaQuota || quota.isHoldingBack }
        let isNews = holdLog.update(shown.map { ($0, detail(of: $0)) }, at: now)
        if isNews { touch() }
        return isNews
    }

    private func detail(of reason: JobHold.Reason) -> String? {
        switch reason {
        case .paused, .replicaQuota: nil
        case .controlDatabase:
            isLeaseInDoubt ? "the lease is not renewed" : "results wait to be recorded"
        case .serverUnavailable: queue.unavailableServers.prefix(10).joined(separator: ", ")
        }
    }

    /// A change that those who follow the job are to see.
    mutating func touch() {
        job.version += 1
    }

    // MARK: - The job as a whole

    /// Moves the job on; what waited ends with a cancellation.
    mutating func handle(_ event: JobMachine.Event, at now: Timestamp) -> JobMachine.Action {
        let action = machine.handle(event)
        switch action {
        case .refuse, .nothing: return action
        case .start: job.startedAt = job.startedAt ?? now
        case .stop:
            for work in queue.removeAll() { end(work, work.cancelledOutcome, at: now) }
        case .hold, .goOn, .finish: break
        }
        touch()
        return action
    }

    mutating func drain(isLeaving: Bool, isSucceeded: Bool = false) {
        isDraining = true
        self.isLeaving = self.isLeaving || isLeaving
        self.isSucceeded = self.isSucceeded || isSucceeded
    }

    mutating func fail(reason: String) {
        isBroken = true
        job.stateReason = reason
    }

    /// The job as its end will leave it.
    func preview(at now: Timestamp) -> JobSnapshot {
        var machine = self.machine
        _ = machine.handle(endEvent)
        var job = snapshot
        job.state = machine.state
        job.holds = []
        job.finishedAt = now
        job.version += 1
        return job
    }

    /// Ends the job, unless it has changed since the preview was made.
    mutating func finish(as preview: JobSnapshot) -> Bool {
        guard job.version + 1 == preview.version else { return false }
        _ = machine.handle(endEvent)
        job.finishedAt = preview.finishedAt
        touch()
        return true
    }

    private var endEvent: JobMachine.Event {
        .tenantsEnded(failures: tally.failed, isBroken: isBroken)
    }

    // MARK: - Pages

    mutating func expect(total: Int) {
        tally.expect(total: total)
    }

    mutating func resume(
        ended keys: some Sequence<Int64>, counts: JobCounts, lastEvent: Int64
    ) {
        self.lastEvent = lastEvent
        targets.insertEnded(keys)
        tally.resume(from: counts)
    }

    mutating func finishPaging() {
        isPagingDone = true
        tally.finishPaging()
    }

    /// Counts tenants of a page that need no worker.
    mutating func admit(ended results: [TenantResult], targets keys: [Int64]) {
        targets.insertEnded(keys)
        for result in results {
            tally.admit(1, as: result.state)
            addFirstError(of: result)
        }
    }

    /// Queues targets of a page; one that is on its way already takes the tenants along. Once the job
    /// is being cancelled they end like those that waited.
    ///
    /// - Returns: those that have ended since the page was looked at.
    mutating func admit(_ works: [TargetWork], at now: Timestamp) -> [TargetWork] {
        var ended: [TargetWork] = []
        for work in works {
            tally.admit(work.tenants.count)
            let key = work.target.key
            switch targets.standing(of: key) {
            case .ended: ended.append(work)
            case .inFlight: targets.join(work.tenants, to: key)
            case .new: enqueue(work, at: now)
            }
        }
        return ended
    }

    /// Ends a target that needs no worker.
    mutating func admit(_ work: TargetWork, endedAs outcome: TargetOutcome, at now: Timestamp) {
        tally.admit(work.tenants.count)
        end(work, outcome, at: now)
    }

    /// Counts targets of a page that other replicas may claim or have claimed, in the name of the first
    /// tenant of each.
    ///
    /// - Returns: those that have ended since the page was looked at, without that tenant, who was
    ///   counted with his result.
    mutating func publish(_ works: [TargetWork]) -> [TargetWork] {
        var ended: [TargetWork] = []
        for var work in works {
            let hasEnded = targets.standing(of: work.target.key) == .ended
            if hasEnded { work.tenants.removeFirst() }
            tally.admit(work.tenants.count)
            if hasEnded { ended.append(work) } else { targets.publish(work) }
        }
        return ended
    }

    private mutating func enqueue(_ work: TargetWork, at now: Timestamp) {
        if isCancelling { return end(work, work.cancelledOutcome, at: now) }
        targets.begin(work.target.key)
        queue.enqueue(work)
    }

    // MARK: - Attempts

    /// Whether one more worker would have something to do; counts it in.
    mutating func addWorker() -> Bool {
        // What was deferred needs somebody who waits for it.
        let hasWork =
            queue.readyCount > workers.idle || workers.total == 0 && !queue.isEmpty
        guard workers.total < quota.limit, hasWork, !isCancelling else { return false }
        workers.total += 1
        return true
    }

    /// The next target for a worker, which is counted as running from now on.
    mutating func startNext(preferring preferred: String?, at now: Timestamp) -> TargetWork? {
        guard var work = queue.dequeue(preferring: preferred, now: now) else { return nil }
        work.attempts += 1
        work.startedAt = work.startedAt ?? now
        workers.busy += 1
        started.start(work)
        tally.start(work.tenants.count)
        touch()
        return work
    }

    /// Takes in how an attempt on a target ended. The next one is made after `pause`; without it this
    /// was the last.
    mutating func finishAttempt(
        on work: TargetWork, _ outcome: TargetOutcome, retryAfter pause: Duration?,
        at now: Timestamp
    ) -> ActiveJob.Disposition {
        workers.busy -= 1
        let isOpen = outcome.state == .cancelled || pause != nil
        if isDraining && isOpen {
            // Whoever takes the job over asks the tenant itself.
            started.revert(work)
            tally.requeue(work.tenants.count)
            return .left
        }
        guard let pause, !isCancelling else {
            end(work, outcome, at: now)
            return .ended
        }
        var work = work
        work.lastOutcome = outcome
        if outcome.isPostponed { work.attempts -= 1 }
        started.markDeferred(work, after: outcome)
        tally.requeue(work.tenants.count)
        queue.enqueue(
            work, notBefore: Timestamp(milliseconds: now.milliseconds + pause.milliseconds))
        return .deferred
    }

    /// Each tenant of the target gets the outcome, those of later pages included.
    mutating func end(_ work: TargetWork, _ outcome: TargetOutcome, at now: Timestamp) {
        for tenant in work.tenants + targets.end(work.target.key) {
            let wasRunning = started.end(tenant.id)
            let result = TenantResult(tenant, work, outcome, finishedAt: now)
            tally.end(as: result.state, wasRunning: wasRunning)
            addFirstError(of: result)
            results.append(result)
        }
    }

    private mutating func addFirstError(of result: TenantResult) {
        guard let failure = result.failure, result.state == .failed,
            job.firstErrors.count < ActiveJobState.firstErrorsLimit
        else { return }
        job.firstErrors.append(
            JobFailureNote(
                tenantID: result.tenantID, identifier: result.identifier, error: failure.message))
    }

    // MARK: - Other replicas

    /// How many more targets this replica has a use for at once.
    var demand: Int {
        if isDraining || isLeaseInDoubt || machine.state != .running { return 0 }
        return quota.demand(ready: queue.readyCount)
    }

    /// Takes in what the replicas agreed on.
    ///
    /// - Returns: whether workers that wait have to look again.
    mutating func grant(_ limit: Int, runningElsewhere: Int) -> Bool {
        if self.runningElsewhere != runningElsewhere {
            self.runningElsewhere = runningElsewhere
            touch()
        }
        return quota.grant(limit)
    }

    /// Queues published targets whose tenants are this replica's own again; true marks those that a
    /// replica had claimed which died.
    mutating func reclaim(_ tenants: [String: Bool], at now: Timestamp) {
        for work in targets.reclaim(tenants) { enqueue(work, at: now) }
    }

    /// Takes in the results that other replicas recorded up to `event`. The other tenants of their
    /// targets get the same outcome, here.
    mutating func merge(
        _ results: [(result: TenantResult, targetKey: Int64?)], upTo event: Int64, at now: Timestamp
    ) {
        lastEvent = event
        for (result, key) in results {
            if let key, var work = targets.removePublished(key) {
                tally.end(as: result.state, wasRunning: false)
                work.tenants.removeAll { $0.id == result.tenantID }
                end(work, TargetOutcome(result), at: now)
            } else {
                // Its page has not come yet; it will be known as ended then.
                tally.admit(1, as: result.state)
                if let key { targets.insertEnded([key]) }
            }
            addFirstError(of: result)
        }
    }
}

extension TargetOutcome {
    /// What came of a target, from the recorded result of one of its tenants.
    init(_ result: TenantResult) {
        self.init(
            state: result.state, fromRevisions: result.fromRevisions,
            toRevisions: result.toRevisions, steps: result.steps,
            plannedRevisions: result.plannedRevisions, failure: result.failure)
    }
}
