internal import ControlStore
internal import JobModel
internal import Logging
internal import Support

/// Working together with the other replicas on the control database.
extension JobScheduler {
    private static let pollInterval = Duration.seconds(1)

    func notifyReplicas(_ notification: ReplicaNotification) async {
        if replicas.hasPeers { await store.replicas.notify(notification) }
    }

    /// Listens for notifications of other replicas.
    func listen() async {
        guard let channel = channel else { return }
        await channel.listen(to: store.replicas.channel) { [weak self] notification in
            await self?.receive(notification)
        }
    }

    private func receive(_ notification: ReplicaNotification) async {
        switch notification {
        case .job(let id):
            live[id]?.job.coordination.notify()
            assisting[id]?.job.coordination.notify()
            signals.jobs.notify()
        case .offer: signals.offers.notify()
        case .jobs: signals.leases.notify()
        case .command:
            signals.commands.notify()
            await executeCommands()
        }
    }

    // MARK: - Assisting

    /// Looks for tenants that other replicas have on offer, until the task is cancelled.
    func assistOthers() async {
        while !Task.isCancelled {
            let generation = signals.offers.generation
            let isSafe = leases.standing(at: .now) == .valid
            if replicas.hasPeers && isSafe && !isDraining { await assist() }
            await signals.offers.wait(after: generation, until: .after(JobScheduler.pollInterval))
        }
    }

    private func assist() async {
        let jobs: [JobSnapshot]
        do throws(StatusError) {
            jobs = try await store.handovers.openJobs(for: localReplica)
        } catch {
            logger.debug(
                "Jobs of other replicas cannot be read, retrying", metadata: ["reason": "\(error)"])
            return
        }
        for job in jobs where live[job.id] == nil && assisting[job.id] == nil && !isDraining {
            let lease = JobLease(replica: replica, epoch: 0, isAssistant: true)
            var fresh = job
            fresh.state = .queued
            let active = ActiveJob(fresh, lease: lease, clock: clock, limit: 0)
            logger.info("Assisting with a job", metadata: ["job": "\(job.id)"])
            assisting[job.id] = Live(
                job: active, retryOf: nil,
                execution: Task { [executor] in
                    await executor.assistant(of: active)()
                    self.endAssistance(job.id)
                })
        }
    }

    private func endAssistance(_ id: JobID) {
        assisting[id] = nil
        logger.info("Assistance with a job ended", metadata: ["job": "\(id)"])
    }

    // MARK: - Commands for jobs led elsewhere

    /// How long whoever asks waits for the replica that leads the job.
    private static let commandTimeout = Duration.seconds(20)

    /// Asks the replica that leads a job to control it, and waits until it has.
    func forward(
        _ id: JobID, _ order: JobCommand, caller: Caller
    ) async throws(JobControlError) -> JobSnapshot {
        guard
            let job = try await asking({ () throws(StatusError) in try await store.jobs.find(id) })
        else { throw .jobNotFound(id) }
        if job.state.isFinal { throw .conflict(action: order.name, state: job.state) }
        let command = try await asking { () throws(StatusError) in
            try await store.commands.add(order.text, job: id, caller: caller)
        }
        await store.replicas.notify(.command)
        return try await wait(for: command, id, order)
    }

    private func wait(
        for command: Int64, _ id: JobID, _ order: JobCommand
    ) async throws(JobControlError) -> JobSnapshot {
        let deadline = Deadline.after(JobScheduler.commandTimeout)
        while true {
            let generation = signals.commands.generation
            let answer = try await asking { () throws(StatusError) in
                try await store.commands.answer(to: command)
            }
            let found = try await asking { () throws(StatusError) in try await store.jobs.find(id) }
            guard let answer, let job = found else { throw .jobNotFound(id) }
            if answer.isDone && answer.refusedIn == nil { return job }
            let refusal = answer.refusedIn ?? (job.state.isFinal ? job.state : nil)
            if let refusal { throw .conflict(action: order.name, state: refusal) }
            if deadline.hasPassed || Task.isCancelled { throw .elsewhere }
            await signals.commands.wait(
                after: generation, until: deadline.earlier(of: .after(.milliseconds(500))))
        }
    }

    private func asking<R>(
        _ question: () async throws(StatusError) -> R
    ) async throws(JobControlError) -> R {
        do throws(StatusError) {
            return try await question()
        } catch {
            throw .store(error)
        }
    }

    /// Does what other replicas were asked to have done to the jobs that live here.
    func executeCommands() async {
        do throws(StatusError) {
            for command in try await store.commands.open(for: Array(live.keys)) {
                guard let active = live[command.job]?.job, !active.isDraining else { continue }
                var refusedIn: JobState?
                if let order = JobCommand(text: command.action) {
                    do throws(JobControlError) {
                        try await apply(order, to: active)
                    } catch {
                        guard case .conflict(_, let state) = error else { continue }
                        refusedIn = state
                    }
                }
                try await store.commands.close(command.id, refusedIn: refusedIn)
                await store.replicas.notify(.command)
            }
        } catch {
            logger.warning(
                "Commands of other replicas cannot be read, retrying",
                metadata: ["reason": "\(error)"])
        }
    }
}
