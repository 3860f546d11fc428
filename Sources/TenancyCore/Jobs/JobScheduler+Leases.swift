internal import Logging

/// The terms of this daemon on its jobs: kept, taken over from others, and given back.
extension JobScheduler {
    /// Starts to look for abandoned jobs and to renew the leases of our own.
    public func start() {
        guard keeper == nil, !isDraining else { return }
        keeper = Task { [weak self] in
            while !Task.isCancelled {
                await self?.keepLeases()
                try? await Task.sleep(for: JobLease.renewal)
            }
        }
    }

    private func keepLeases() async {
        do throws(StatusError) {
            let store = environment.store
            // Jobs that arrive while the database answers are not lost for not being in the answer.
            let asked = live.mapValues(\.run)
            if !asked.isEmpty {
                let kept = try await store.renewLeases(
                    Array(asked.keys), replica: replica, term: JobLease.term)
                for (id, run) in asked where !kept.contains(id) { abandon(run) }
            }
            if isDraining { return }
            for (job, lease) in try await store.leaseAbandonedJobs(
                replica: replica, term: JobLease.term)
            {
                try await adopt(job, lease)
            }
        } catch {
            environment.logger.warning(
                "Leases wait for the control database", metadata: ["reason": "\(error)"])
        }
    }

    /// Another daemon has the job now: nothing more of it is started here.
    private func abandon(_ run: JobRun) {
        if run.snapshot.state.isFinal { return }
        environment.logger.warning("A job's lease was lost", metadata: ["job": "\(run.id)"])
        run.drain()
        run.interrupt()
        // One that waits for a place has nothing to wind down.
        if let index = waiting.firstIndex(of: run.id) {
            waiting.remove(at: index)
            forget(run)
        }
    }

    private func adopt(_ job: JobSnapshot, _ lease: JobLease) async throws(StatusError) {
        if live[job.id] != nil { return }
        let (keys, counts) = try await environment.store.endedTargets(of: job.id)
        // Left to its lease, which runs out, when this daemon is leaving as well.
        if isDraining || live[job.id] != nil { return }
        environment.logger.notice("Going on with a job", metadata: ["job": "\(job.id)"])
        let run = JobRun(job, lease: lease, clock: environment.clock)
        run.resume(ended: keys, counts: counts)
        enqueue(run, retryOf: job.retryOf)
    }

    // MARK: - Draining

    /// Starts nothing more, lets running tenants end for at most `timeout`, then rolls them back.
    /// Jobs that are not finished are left to the next daemon.
    public func drain(timeout: Duration) async {
        isDraining = true
        let entries = Array(live.values)
        for entry in entries { entry.run.drain() }
        let executions = entries.compactMap(\.execution)
        await withTaskGroup { group in
            group.addTask {
                for execution in executions { await execution.value }
            }
            group.addTask {
                try? await Task.sleep(for: timeout)
                if !Task.isCancelled { for entry in entries { entry.run.interrupt() } }
            }
            await group.next()
            // Either all have ended, or they were just told to.
            for execution in executions { await execution.value }
            group.cancelAll()
        }
        // Not before: nobody else may take a job whose tenants are still being rolled back.
        keeper?.cancel()
        await keeper?.value
        await releaseLeases(Set(entries.map(\.run.id)).union(live.keys))
        // Jobs that never found a place; the others are forgotten by now.
        for entry in live.values { forget(entry.run) }
    }

    /// Rolls back what still runs while draining.
    public func interrupt() {
        for entry in live.values { entry.run.interrupt() }
    }

    private func releaseLeases(_ jobs: Set<JobID>) async {
        if jobs.isEmpty { return }
        do throws(StatusError) {
            _ = try await environment.store.renewLeases(
                Array(jobs), replica: replica, term: .zero)
        } catch {
            environment.logger.warning(
                "Leases could not be given back; they run out by themselves",
                metadata: ["reason": "\(error)"])
        }
    }
}
