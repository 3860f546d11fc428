internal import ControlStore
internal import JobModel
internal import Logging
internal import Support

/// Working together with the other daemons on the control database.
extension JobScheduler {
    private static let pace = Duration.seconds(1)

    func wakeOthers(_ word: ReplicaNotification) async {
        if replicas.hasPeers { await store.replicas.notify(word) }
    }

    /// Passes on what other daemons say.
    func listen() async {
        guard let channel = channel else { return }
        await channel.listen(to: store.replicas.channel) { [weak self] word in
            await self?.hear(word)
        }
    }

    private func hear(_ word: ReplicaNotification) async {
        switch word {
        case .job(let id):
            live[id]?.job.coordination.notify()
            assisting[id]?.job.coordination.notify()
            words.jobs.notify()
        case .offer: words.offers.notify()
        case .jobs: words.leases.notify()
        case .command:
            words.commands.notify()
            await carryOutCommands()
        }
    }

    // MARK: - Assisting

    /// Looks for tenants that other daemons have on offer, until the task is cancelled.
    func lookForOffers() async {
        while !Task.isCancelled {
            let generation = words.offers.generation
            let isSafe = leases.standing(at: .now) == .safe
            if replicas.hasPeers && isSafe && !isDraining { await assist() }
            await words.offers.wait(after: generation, until: .after(JobScheduler.pace))
        }
    }

    private func assist() async {
        let jobs: [JobSnapshot]
        do throws(StatusError) {
            jobs = try await store.handovers.openJobs(for: me)
        } catch {
            logger.debug(
                "Offers of other daemons cannot be read", metadata: ["reason": "\(error)"])
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
        logger.info("No longer assisting with a job", metadata: ["job": "\(id)"])
    }

    // MARK: - Steering from elsewhere

    /// How long whoever asks waits for the daemon that leads the job.
    private static let commandPatience = Duration.seconds(20)

    /// Has the daemon that leads a job steer it, and waits until it has.
    func steerElsewhere(
        _ id: JobID, _ order: SteeringOrder, caller: Caller
    ) async throws(SteeringError) -> JobSnapshot {
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
        for command: Int64, _ id: JobID, _ order: SteeringOrder
    ) async throws(SteeringError) -> JobSnapshot {
        let deadline = Deadline.after(JobScheduler.commandPatience)
        while true {
            let generation = words.commands.generation
            let answer = try await asking { () throws(StatusError) in
                try await store.commands.answer(to: command)
            }
            let found = try await asking { () throws(StatusError) in try await store.jobs.find(id) }
            guard let answer, let job = found else { throw .jobNotFound(id) }
            if answer.isDone && answer.refusedIn == nil { return job }
            let refusal = answer.refusedIn ?? (job.state.isFinal ? job.state : nil)
            if let refusal { throw .conflict(action: order.name, state: refusal) }
            if deadline.hasPassed || Task.isCancelled { throw .elsewhere }
            await words.commands.wait(
                after: generation, until: deadline.earlier(of: .after(.milliseconds(500))))
        }
    }

    private func asking<R>(
        _ question: () async throws(StatusError) -> R
    ) async throws(SteeringError) -> R {
        do throws(StatusError) {
            return try await question()
        } catch {
            throw .store(error)
        }
    }

    /// Does what other daemons were asked to have done to the jobs that live here.
    func carryOutCommands() async {
        do throws(StatusError) {
            for command in try await store.commands.open(for: Array(live.keys)) {
                guard let active = live[command.job]?.job, !active.isDraining else { continue }
                var refusedIn: JobState?
                if let order = SteeringOrder(text: command.action) {
                    do throws(SteeringError) {
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
                "Commands wait for the control database", metadata: ["reason": "\(error)"])
        }
    }
}
