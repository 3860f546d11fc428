internal import ControlStore
internal import Engine
internal import JobModel
internal import Logging
internal import Support
internal import Tenants

/// Works on tenants of a job that another daemon leads, as long as there are some on offer.
struct JobAssistant: Sendable {
    private static let pace = Duration.milliseconds(500)
    private static let shortestPause = Duration.milliseconds(20)
    /// How long to stay when there is nothing on offer: the leading daemon may be reading a page.
    private static let patience = Duration.seconds(3)

    let run: JobRun
    let environment: JobEnvironment

    func callAsFunction() async {
        _ = run.handle(.started)
        let recorder = Task { [environment] in
            await ResultRecorder(run: run, environment: environment)()
        }
        await JobRunner(run: run, environment: environment)(feed: feed)
        await run.waitUntilRecorded(
            until: run.isDraining ? .after(.seconds(5)) : .never, endsWithDrain: !run.isDraining)
        recorder.cancel()
        await giveBack()
    }

    /// Gives back what was taken and not begun, for as long as it takes: nobody else takes it from a
    /// daemon that lives.
    private func giveBack() async {
        let store = environment.store
        var pause = JobAssistant.pace
        while !Task.isCancelled {
            do throws(StatusError) {
                let rest = try await store.takenTenants(of: run.id, replica: run.lease.replica)
                if !rest.isEmpty {
                    try await store.returnOffers(
                        rest.map(\.name.id), of: run.id, replica: run.lease.replica)
                    await store.wakeOthers(.job(run.id))
                }
                return try await store.leaveShare(of: run.id, replica: run.lease.replica)
            } catch {
                // A daemon that ends gives everything back with its last word.
                if !error.isTemporary || run.isLeaving { return }
                try? await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(5))
            }
        }
    }

    private func feed(_ task: TargetTask) async {
        let reader = SetReader(
            environment, session: environment.session(for: run.request), table: task.versionTable)
        var boredFrom = Deadline.after(JobAssistant.patience)
        // Whether tenants may be ours in the tables that we were never told of.
        var isUnsure = false
        while !run.isDraining && !Task.isCancelled {
            let generation = run.sharing.generation
            do throws(StatusError) {
                guard let share = try await share() else {
                    // Its tables may be lost: what runs ends, and nothing more begins.
                    _ = run.handle(.cancelAsked)
                    break
                }
                follow(share)
                let brought = try await take(task, reader, isUnsure: isUnsure)
                isUnsure = false
                if brought || run.inUse > 0 || !run.isWorkless {
                    boredFrom = .after(JobAssistant.patience)
                }
            } catch {
                isUnsure = true
                environment.logger.warning(
                    "Tenants of another daemon's job cannot be taken over",
                    metadata: ["job": "\(run.id)", "reason": "\(error)"])
            }
            if boredFrom.hasPassed || run.isCancelling && run.inUse == 0 { break }
            try? await Task.sleep(for: JobAssistant.shortestPause)
            await run.sharing.wait(after: generation, until: .after(JobAssistant.pace))
        }
        await reader.close()
    }

    private func share() async throws(StatusError) -> JobShare? {
        let share = try await run.agreeOnShare(in: environment.store)
        guard let share, !share.state.isFinal else { return nil }
        return share
    }

    /// Does as the leading daemon was told.
    private func follow(_ share: JobShare) {
        switch share.state {
        case .paused: _ = run.handle(.pauseAsked)
        case .running: _ = run.handle(.resumeAsked)
        case .cancelling:
            if !run.isCancelling { _ = run.handle(.cancelAsked) }
            if share.isInterrupted { run.interrupt() }
        case .queued, .succeeded, .failed, .cancelled: break
        }
    }

    /// Takes tenants over and queues them; false when there were none.
    private func take(
        _ task: TargetTask, _ reader: SetReader, isUnsure: Bool
    ) async throws(StatusError) -> Bool {
        let store = environment.store
        var taken: [StatusStore.TakenTenant] = []
        if run.shortage > 0 {
            taken = try await store.takeOffers(
                of: run.id, replica: run.lease.replica, limit: run.shortage)
        }
        if isUnsure {
            let all = try await store.takenTenants(of: run.id, replica: run.lease.replica)
            let known = Set(taken.map(\.name.id))
            taken += all.filter {
                !known.contains($0.name.id) && run.standing(ofTarget: $0.targetKey) == .new
            }
        }
        if taken.isEmpty { return false }
        do throws(StatusError) {
            try await admit(taken, task, reader)
        } catch {
            // They are ours in the tables; the next round finds them there.
            throw error
        }
        return true
    }

    private func admit(
        _ taken: [StatusStore.TakenTenant], _ task: TargetTask, _ reader: SetReader
    ) async throws(StatusError) {
        let store = environment.store
        let tenants: [Tenant]
        do throws(RegistryError) {
            tenants = try await environment.registry.find(taken.map(\.name.id))
        } catch {
            // Whoever leads the job pages the registry and knows what to do about it.
            return try await store.returnOffers(
                taken.map(\.name.id), of: run.id, replica: run.lease.replica)
        }
        let byID = Dictionary(tenants.map { ($0.id, $0) }) { first, _ in first }
        var works: [TargetWork] = []
        var strange: [String] = []
        var resumed: Set<Int64> = []
        for item in taken {
            guard let tenant = byID[item.name.id],
                case .success(let placement) = environment.resolver.placing(tenant),
                placement.target.key == item.targetKey
            else {
                strange.append(item.name.id)
                continue
            }
            var work = TargetWork(target: placement.target, tenants: [item.name])
            work.plannedFrom = item.fromRevisions
            if item.wasTaken { resumed.insert(item.targetKey) }
            works.append(work)
        }
        if !strange.isEmpty {
            try await store.returnOffers(strange, of: run.id, replica: run.lease.replica)
        }
        let unfinished = try await store.unfinishedTargets(among: works.map(\.target.key))
        let states = await reader.read(works.map(\.target))
        for var work in works {
            work.state = states[work.target]
            work.isUnfinished = unfinished.contains(work.target.key)
            // A relative target, and one that somebody may have begun on, counts from where the job
            // began, which its worker looks at.
            let isPlain = !task.isRelative && !resumed.contains(work.target.key)
            if isPlain, let state = work.state, let outcome = task.settle(state) {
                run.addEnded(work, outcome)
            } else {
                _ = run.add([work])
            }
        }
    }
}
