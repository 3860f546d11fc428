internal import ControlStore
internal import JobModel
internal import Logging
internal import Revisions
internal import Support

/// The leases of this replica on its jobs: renewed, taken over from others, and released.
extension JobScheduler {
    /// Between two heartbeats, however long a lease is, and whether there are jobs or not: how soon it
    /// shows that the control database is away.
    private static let longestInterval = Duration.seconds(10)

    /// Starts to renew the leases of our jobs, to look for abandoned ones, and to work together with
    /// the other replicas.
    package func start() {
        guard housekeeping.isEmpty, !isDraining else { return }
        leases = LeaseClock(duration: settings.leaseDuration, now: .now)
        let (signals, interval) = (self.signals, min(leases.renewal, JobScheduler.longestInterval))
        housekeeping = [
            Task { [weak self] in
                while !Task.isCancelled {
                    let generation = signals.leases.generation
                    await self?.keepLeases()
                    await signals.leases.wait(after: generation, until: .after(interval))
                }
            },
            Task { [weak self] in await self?.watchLeases() },
            Task { [weak self] in await self?.assistOthers() },
            Task { [weak self] in await self?.listen() },
        ]
    }

    private func keepLeases() async {
        do throws(StatusError) {
            // Jobs that arrive while the database answers are not lost for not being in the answer.
            let asked = live.mapValues(\.job).filter { isDraining || !$0.value.isDraining }
            try await sendHeartbeat(for: asked)
            if isDraining { return }
            for (job, lease) in try await store.jobs.takeOverAbandoned(
                by: replica, migrations: migrations.loaded.digest,
                leaseDuration: leases.duration)
            {
                try await takeOver(job, lease)
            }
            try await restoreLost()
        } catch {
            logger.warning(
                "Leases cannot be renewed, retrying", metadata: ["reason": "\(error)"])
        }
    }

    private func sendHeartbeat(for asked: [JobID: ActiveJob]) async throws(StatusError) {
        let sentAt = ContinuousClock.now
        let answer = try await store.replicas.heartbeat(
            of: localReplica, isDraining: isDraining, jobs: Array(asked.keys),
            leaseDuration: leases.duration)
        leases.renewed(sentAt: sentAt)
        heartbeatAt = max(heartbeatAt, sentAt)
        signals.renewals.notify()
        let arrived = Set(answer.peers.map(\.id)).subtracting(replicas.peers.map(\.id))
        replicas.update(answer.peers)
        for (id, active) in asked where !answer.kept.contains(id) { stepDown(active) }
        if answer.hasCommands { await executeCommands() }
        // Whoever comes or goes changes what is shared.
        if !arrived.isEmpty { for entry in live.values { entry.job.coordination.notify() } }
    }

    /// Writes down how jobs ended whose rows went with the control database.
    private func restoreLost() async throws(StatusError) {
        for (id, rest) in left {
            if try await store.jobs.find(id) == nil {
                let job = rest.end(at: clock.now)
                try await store.restore(
                    job, results: rest.unrecorded, lease: rest.lease,
                    migrations: migrations.loaded.digest)
                logger.error(
                    "The control database has lost a job",
                    metadata: ["job": "\(id)", "state": "\(job.state)"])
                signals.jobs.notify()
            }
            left[id] = nil
        }
    }

    /// Another replica has the job now, or may have it: nothing more of it is started here.
    private func stepDown(_ active: ActiveJob) {
        if active.snapshot.state.isFinal { return }
        metrics.add(.leasesLost)
        logger.warning("Lease of a job expired, stepping down", metadata: ["job": "\(active.id)"])
        active.drain()
        active.interrupt()
        // One that waits for a place has nothing to wind down.
        if let index = waiting.firstIndex(of: active.id) {
            waiting.remove(at: index)
            forget(active)
        }
    }

    /// Holds what may not start, and stops what may not continue, while no renewal comes through.
    private func watchLeases() async {
        while !Task.isCancelled {
            let generation = signals.renewals.generation
            let now = ContinuousClock.now
            let standing = leases.standing(at: now)
            for entry in Array(live.values) + assisting.values {
                entry.job.hold(standing != .valid)
                if standing == .expired && !entry.job.isDraining { stepDown(entry.job) }
            }
            let next = leases.nextChange(after: now)
            await signals.renewals.wait(
                after: generation, until: next.map { .after($0 - now) } ?? .never)
        }
    }

    private func takeOver(_ job: JobSnapshot, _ lease: JobLease) async throws(StatusError) {
        if live[job.id] != nil { return }
        let ended = try await store.jobTenants.endedTargets(of: job.id)
        // Left to its lease, which runs out, when this replica is leaving as well.
        if isDraining || live[job.id] != nil { return }
        // What it has in hand it ends as an assistant; the rest is the leader's.
        let predecessor = assisting[job.id]?.job
        predecessor?.drain(isSucceeded: true)
        metrics.add(.jobsTakenOver)
        logger.notice("Job taken over from another replica", metadata: ["job": "\(job.id)"])
        // What it may do at once is decided with those that have a share in the job.
        let active = ActiveJob(
            job, lease: lease, clock: clock, limit: 0, predecessor: predecessor)
        active.resume(ended: ended.keys, counts: ended.counts, lastEvent: ended.lastEvent)
        enqueue(active, retryOf: job.retryOf)
    }

    // MARK: - Draining

    /// Starts nothing more, lets running tenants end for at most `timeout`, then rolls them back.
    /// Jobs that are not finished are left to the next replica.
    package func drain(timeout: Duration) async {
        isDraining = true
        let entries = Array(live.values) + assisting.values
        for entry in entries { entry.job.drain(isLeaving: true) }
        // The others need not wait for the next renewal to know.
        signals.leases.notify()
        signals.jobs.notify()
        let executions = entries.compactMap(\.execution)
        await withTaskGroup { group in
            group.addTask {
                for execution in executions { await execution.value }
            }
            group.addTask {
                try? await Task.sleep(for: timeout)
                if !Task.isCancelled { for entry in entries { entry.job.interrupt() } }
            }
            await group.next()
            // Either all have ended, or they were just told to.
            for execution in executions { await execution.value }
            group.cancelAll()
        }
        // Not before: nobody else may take a job whose tenants are still being rolled back.
        for task in housekeeping { task.cancel() }
        for task in housekeeping { await task.value }
        await leave(Set(entries.map(\.job.id)).union(live.keys))
        // Jobs that never found a place; the others are forgotten by now.
        for entry in live.values { forget(entry.job) }
    }

    /// Rolls back what still runs while draining.
    package func interrupt() {
        for entry in Array(live.values) + assisting.values { entry.job.interrupt() }
    }

    private func leave(_ jobs: Set<JobID>) async {
        do throws(StatusError) {
            try await store.replicas.leave(replica, jobs: Array(jobs))
            await notifyReplicas(.jobs)
        } catch {
            logger.warning(
                "Leases could not be released, they will expire",
                metadata: ["reason": "\(error)"])
        }
    }
}
