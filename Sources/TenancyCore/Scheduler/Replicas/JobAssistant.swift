internal import ControlStore
internal import Engine
internal import JobModel
internal import Logging
internal import Support
internal import Tenants

/// Works on tenants of a job that another replica leads, as long as there are some on offer.
struct JobAssistant: Sendable {
    private static let pollInterval = Duration.milliseconds(500)
    private static let shortestPause = Duration.milliseconds(20)
    /// How long to stay when there is nothing on offer: the leading replica may be reading a page.
    private static let idleTimeout = Duration.seconds(3)

    let job: ActiveJob
    let task: TargetTask
    let runner: JobRunner
    let recorder: ResultRecorder
    let makeReader: @Sendable () -> BatchReader
    let registry: any TenantRegistry
    let resolver: PlacementResolver
    let store: ControlDatabase
    let logger: Logger

    func callAsFunction() async {
        _ = job.handle(.started)
        let recording = Task { [recorder] in await recorder() }
        await runner(feed: feed)
        await job.waitUntilRecorded(
            until: job.isDraining ? .after(.seconds(5)) : .never, endsWithDrain: !job.isDraining)
        recording.cancel()
        await giveBack()
    }

    /// Gives back what was taken and not begun, for as long as it takes: nobody else takes it from a
    /// replica that lives.
    private func giveBack() async {
        var backoff = Backoff(from: JobAssistant.pollInterval, upTo: .seconds(5))
        while !Task.isCancelled {
            do throws(StatusError) {
                let rest = try await store.handovers.claimed(of: job.id, replica: job.lease.replica)
                if !rest.isEmpty {
                    try await store.handovers.giveBack(
                        rest.map(\.name.id), of: job.id, replica: job.lease.replica)
                    await store.replicas.notify(.job(job.id))
                }
                // The row of a replica that leads the job by now is the leader's.
                if job.isSucceeded { return }
                return try await store.replicas.releaseQuota(of: job.id, replica: job.lease.replica)
            } catch {
                // A replica that ends gives everything back when it leaves.
                if !error.isTemporary || job.isLeaving { return }
                try? await Task.sleep(for: backoff.next())
            }
        }
    }

    private func feed() async {
        let reader = makeReader()
        var idleDeadline = Deadline.after(JobAssistant.idleTimeout)
        // Whether tenants may be ours in the tables that we were never told of.
        var isUnsure = false
        while !job.isDraining && !Task.isCancelled {
            let generation = job.coordination.generation
            do throws(StatusError) {
                guard let quota = try await quota() else {
                    // Its tables may be lost: what runs ends, and nothing more begins.
                    _ = job.handle(.cancelAsked)
                    break
                }
                follow(quota)
                let hasClaimed = try await claim(reader, isUnsure: isUnsure)
                isUnsure = false
                if hasClaimed || job.inFlight > 0 || !job.isIdle {
                    idleDeadline = .after(JobAssistant.idleTimeout)
                }
            } catch {
                isUnsure = true
                logger.warning(
                    "Tenants of another replica's job cannot be claimed, retrying",
                    metadata: ["job": "\(job.id)", "reason": "\(error)"])
            }
            if idleDeadline.hasPassed || job.isCancelling && job.inFlight == 0 { break }
            try? await Task.sleep(for: JobAssistant.shortestPause)
            await job.coordination.wait(after: generation, until: .after(JobAssistant.pollInterval))
        }
        await reader.close()
    }

    private func quota() async throws(StatusError) -> JobQuota? {
        let quota = try await QuotaRequest(job: job, replicas: store.replicas)()
        guard let quota, !quota.state.isFinal else { return nil }
        return quota
    }

    /// Does as the leading replica was told.
    private func follow(_ quota: JobQuota) {
        switch quota.state {
        case .paused: _ = job.handle(.pauseAsked)
        case .running: _ = job.handle(.resumeAsked)
        case .cancelling:
            if !job.isCancelling { _ = job.handle(.cancelAsked) }
            if quota.isInterrupted { job.interrupt() }
        case .queued, .succeeded, .failed, .cancelled: break
        }
    }

    /// Takes tenants over and queues them; false when there were none.
    private func claim(
        _ reader: BatchReader, isUnsure: Bool
    ) async throws(StatusError) -> Bool {
        var claimed: [HandedOverTenant] = []
        if job.demand > 0 {
            claimed = try await store.handovers.claim(
                of: job.id, replica: job.lease.replica, limit: job.demand)
        }
        if isUnsure {
            let all = try await store.handovers.claimed(of: job.id, replica: job.lease.replica)
            let known = Set(claimed.map(\.name.id))
            claimed += all.filter {
                !known.contains($0.name.id) && job.standing(ofTarget: $0.targetKey) == .new
            }
        }
        if claimed.isEmpty { return false }
        do throws(StatusError) {
            try await admit(claimed, reader)
        } catch {
            // They are ours in the tables; the next round finds them there.
            throw error
        }
        return true
    }

    private func admit(
        _ claimed: [HandedOverTenant], _ reader: BatchReader
    ) async throws(StatusError) {
        let tenants: [Tenant]
        do throws(RegistryError) {
            tenants = try await registry.find(claimed.map(\.name.id))
        } catch {
            // Whoever leads the job pages the registry and knows what to do about it.
            return try await store.handovers.giveBack(
                claimed.map(\.name.id), of: job.id, replica: job.lease.replica)
        }
        let byID = Dictionary(tenants.map { ($0.id, $0) }) { first, _ in first }
        var works: [TargetWork] = []
        var strange: [String] = []
        var resumed: Set<Int64> = []
        for item in claimed {
            guard let tenant = byID[item.name.id],
                case .success(let placement) = resolver.placing(tenant),
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
            try await store.handovers.giveBack(strange, of: job.id, replica: job.lease.replica)
        }
        let unfinished = try await store.stepJournal.unfinishedTargets(
            among: works.map(\.target.key))
        let states = await reader.read(works.map(\.target))
        for var work in works {
            work.state = states[work.target]
            work.isUnfinished = unfinished.contains(work.target.key)
            // A relative target, and one that somebody may have begun on, counts from where the job
            // began, which its worker looks at.
            let isPlain = !task.isRelative && !resumed.contains(work.target.key)
            if isPlain, let state = work.state, let outcome = task.settle(state) {
                job.admit(work, endedAs: outcome)
            } else {
                _ = job.admit([work])
            }
        }
    }
}
