internal import ControlStore
internal import Engine
internal import JobModel
internal import PostgresClient
internal import Support
internal import Synchronization
internal import Tenants

/// What is shared of a live job with other daemons.
extension JobRun {
    /// How many tenants this daemon migrates now.
    var inUse: Int { state.withLock { $0.busyWorkers } }

    /// Whether this daemon has less than all of the job's concurrency, or does not know how much.
    var hasPartOnly: Bool {
        state.withLock { $0.limit < request.concurrency || $0.ceiling != nil }
    }

    /// The newest result of other daemons that is counted here.
    var lastEvent: Int64 { state.withLock { $0.lastEvent } }

    /// Whether other daemons have a part in the job, or may have.
    var isShared: Bool { state.withLock { !$0.offered.isEmpty } }

    /// The first tenants of the targets on offer, in whose names those are in the tables.
    var offeredTenants: [String] {
        state.withLock { $0.offered.values.compactMap { $0.tenants.first?.id }.sorted() }
    }

    /// Whether nothing waits for a worker.
    var isWorkless: Bool { state.withLock { $0.queue.isEmpty } }

    /// How many more targets this daemon has a use for at once.
    var shortage: Int {
        state.withLock { state in
            if state.isDraining || state.isHeld || state.machine.state != .running { return 0 }
            // A little more than is worked on, so that workers need not wait; little enough that
            // the end of a job is shared, too.
            let wanted = max(2 * state.limit, state.limit + 1)
            return state.limit == 0 ? 0 : max(0, wanted - state.queue.readyCount)
        }
    }

    /// Asks how many tenants may be migrated at once here, and sets that.
    ///
    /// Others may be given what this daemon does not use at the moment of the question, so until the
    /// answer is there it begins no more than it had; after an error, until there is another answer.
    ///
    /// - Returns: `nil` when the job has ended, or the task was cancelled.
    func agreeOnShare(in store: StatusStore) async throws(StatusError) -> JobShare? {
        do throws(CancellationError) {
            try await shareTurn.acquire()
        } catch {
            return nil
        }
        let result: Result<JobShare?, StatusError>
        do throws(StatusError) {
            let use = useToShare()
            let share = try await store.share(
                id, replica: lease.replica, running: use.running, inUse: use.inUse)
            if let share {
                let elsewhere = lease.isAssistant ? 0 : share.runningElsewhere
                setLimit(share.limit, runningElsewhere: elsewhere)
            }
            result = .success(share)
        } catch {
            result = .failure(error)
        }
        await shareTurn.release()
        return try result.get()
    }

    /// What is in hand, which is all that may be until `setLimit`.
    func useToShare() -> (inUse: Int, running: [String]) {
        state.withLock { state in
            state.ceiling = state.busyWorkers
            return (state.busyWorkers, state.running.keys.sorted())
        }
    }

    /// Sets how many tenants may be migrated at once here.
    func setLimit(_ limit: Int, runningElsewhere: Int) {
        let isNew = state.withLock { state in
            let isNew = state.limit != limit || state.isHeldBack
            state.limit = limit
            state.ceiling = nil
            state.isHeldBack = false
            if state.runningElsewhere != runningElsewhere {
                state.runningElsewhere = runningElsewhere
                state.job.version += 1
            }
            return isNew
        }
        if isNew { work.notify() }
    }

    /// Starts nothing while the lease is in doubt.
    func hold(_ isHeld: Bool) {
        let isNew = state.withLock { state in
            defer { state.isHeld = isHeld }
            return state.isHeld != isHeld
        }
        if isNew { work.notify() }
    }

    /// Counts targets of a page that other daemons may take or have taken, in the name of the first
    /// tenant of each.
    ///
    /// - Returns: those that have ended since the page was looked at, without that tenant, who was
    ///   counted with his result.
    func addOffered(_ works: [TargetWork]) -> [TargetWork] {
        let ended = change { state in
            var ended: [TargetWork] = []
            for work in works {
                var work = work
                let key = work.target.key
                let hasEnded = state.endedTargets.contains(key)
                if hasEnded { work.tenants.removeFirst() }
                state.unpaged = max(0, state.unpaged - work.tenants.count)
                state.job.counts.pending += work.tenants.count
                if hasEnded {
                    ended.append(work)
                } else {
                    state.inFlight[key] = []
                    state.offered[key] = work
                }
            }
            return ended
        }
        sharing.notify()
        return ended
    }

    /// Waits until no other daemon has a part in the job, or the job is being left.
    func waitUntilUnshared() async {
        while !Task.isCancelled {
            let generation = results.generation
            if state.withLock({ $0.isDraining || $0.offered.isEmpty }) { return }
            sharing.notify()
            await results.wait(after: generation, until: .after(.seconds(1)))
        }
    }

    /// Ends a target that needs no work and was not queued.
    func addEnded(_ work: TargetWork, _ outcome: TargetOutcome) {
        change { state in
            state.job.counts.pending += work.tenants.count
            JobRun.end(work, outcome, &state, at: clock.now)
        }
        results.notify()
    }

    /// Takes targets back whose tenants are this daemon's own again; true stands with those that a
    /// daemon had which died.
    func takeBack(_ tenants: [String: Bool]) {
        change { state in
            for (key, offered) in state.offered {
                var work = offered
                guard let id = work.tenants.first?.id, let wasTaken = tenants[id] else { continue }
                state.offered[key] = nil
                if wasTaken {
                    // Read anew, and compared with where the job found it; what it was about to
                    // strike out of the journal may still stand there.
                    work.state = nil
                    work.isUnfinished = true
                }
                if state.isCancelling {
                    JobRun.end(work, work.cancelledOutcome, &state, at: clock.now)
                } else {
                    state.queue.add(work)
                }
            }
        }
        work.notify()
        results.notify()
    }

    /// Takes in the results that other daemons recorded up to `event`. The other tenants of their
    /// targets get the same outcome, here.
    func note(
        _ results: [(result: TenantResult, targetKey: Int64?)], upTo event: Int64
    ) {
        if results.isEmpty { return state.withLock { $0.lastEvent = event } }
        change { state in
            state.lastEvent = event
            for (result, key) in results {
                if let key, let work = state.offered.removeValue(forKey: key) {
                    state.job.counts.move(1, from: .pending, to: result.state)
                    var others = work
                    others.tenants.removeAll { $0.id == result.tenantID }
                    JobRun.end(others, TargetOutcome(result), &state, at: clock.now)
                } else {
                    // Its page has not come yet; it will be known as ended then.
                    state.unpaged = max(0, state.unpaged - 1)
                    state.job.counts.add(1, to: result.state)
                    if let key { state.endedTargets.insert(key) }
                }
                JobRun.noteFailure(result, &state)
            }
        }
        for signal in [self.results, work, room] { signal.notify() }
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
