internal import ControlStore
internal import Engine
internal import JobModel
internal import Revisions
internal import Support
internal import Tenants

/// What was decided about the tenants of a page, before any of it is done.
struct Admission: Sendable {
    /// Targets that a worker has to see to.
    var works: [TargetWork] = []
    /// Tenants that need no worker.
    var ended: [TenantClaim] = []
    /// Their targets, in a job that another replica began: one that is at its end may be so because
    /// somebody who has it in hand has not said so yet.
    var unconfirmed: [TargetWork] = []
}

/// Records a page, so that no tenant is worked on that the tables do not know of, and then counts
/// and queues what it holds.
struct PageRecorder: Sendable {
    let job: ActiveJob
    let store: ControlDatabase
    let replicas: Replicas
    let migrations: MigrationLibrary
    let metrics: Metrics
    let retry: PagingRetry

    /// A value, because `async let` forgets the type of what is thrown.
    func record(_ admission: Admission) async -> Result<Void, JobFailure> {
        do throws(JobFailure) {
            return .success(try await claim(admission))
        } catch {
            return .failure(error)
        }
    }

    private func claim(_ admission: Admission) async throws(JobFailure) {
        if admission.works.isEmpty && admission.ended.isEmpty { return }
        let isPublishing = try await mayPublish(admission.works)
        var claims = admission.ended
        for work in admission.works {
            let isNew = isPublishing && job.standing(ofTarget: work.target.key) == .new
            claims += PageRecorder.claims(of: work, isOffered: isNew)
        }
        let (id, request, lease) = (job.id, job.request, job.lease)
        let ours = try await asking { [claims] store throws(StatusError) in
            try await store.jobTenants.claim(claims, of: request, job: id, lease: lease)
        }
        count(admission.ended, ours)
        if job.isResumed { try await forgetObsoleteSteps(of: admission.ended) }
        let offered = Set(claims.filter(\.isOffered).map(\.result.tenantID))
        let elsewhere = try await elsewhere(claims.map(\.result.tenantID), ours)
        var works = admission.works
        for var work in admission.unconfirmed {
            work.tenants.removeAll { !elsewhere.contains($0.id) }
            if !work.tenants.isEmpty { works.append(work) }
        }
        try await queue(works, ours, shared: offered.union(elsewhere))
        if isPublishing { await store.replicas.notify(.offer) }
    }

    /// Whether other replicas are to take targets of the page over. The share that this replica has is
    /// in the tables before anybody else can ask for one.
    private func mayPublish(_ works: [TargetWork]) async throws(JobFailure) -> Bool {
        guard works.count > 1, job.request.concurrency > 1, !job.isCancelling,
            replicas.canAssist(with: migrations.loaded.digest)
        else { return false }
        let quota = try await asking { [job] store throws(StatusError) in
            try await QuotaRequest(job: job, replicas: store.replicas)()
        }
        return quota != nil
    }

    /// Tenants of the page that are not this lease's to claim, since other replicas have them in hand.
    private func elsewhere(
        _ ids: [String], _ ours: [String: ClaimedTenant]
    ) async throws(JobFailure) -> Set<String> {
        let others = ids.filter { ours[$0] == nil }
        if others.isEmpty { return [] }
        let (id, lease) = (job.id, job.lease)
        return try await asking { store throws(StatusError) in
            try await store.handovers.adopt(others, job: id, lease: lease)
        }
    }

    /// What the replica before has left in the journal of targets that it brought to their end.
    private func forgetObsoleteSteps(of ended: [TenantClaim]) async throws(JobFailure) {
        let found = ended.compactMap { claim in
            claim.targetKey.flatMap { key in
                claim.result.toRevisions.map { (target: key, rows: $0) }
            }
        }
        try await asking { store throws(StatusError) in
            try await store.stepJournal.removeObsolete(found)
        }
    }

    /// Of several tenants of a target the first stands for all of them in what is offered.
    private static func claims(of work: TargetWork, isOffered: Bool) -> [TenantClaim] {
        work.tenants.enumerated().map { index, tenant in
            var result = TenantResult(tenantID: tenant.id, identifier: tenant.identifier)
            result.fromRevisions = work.state?.revisions
            return TenantClaim(
                result: result, targetKey: work.target.key, isOffered: isOffered && index == 0)
        }
    }

    private func count(_ claims: [TenantClaim], _ ours: [String: ClaimedTenant]) {
        let ended = claims.compactMap { claim -> TenantClaim? in
            guard let state = ours[claim.result.tenantID]?.state else { return nil }
            var claim = claim
            claim.result.state = state
            return claim
        }
        let counter = Metrics.Counter.ended(job.request)
        for claim in ended { metrics.add(counter, claim.result.state.rawValue) }
        job.admit(ended: ended.map(\.result), targets: ended.compactMap(\.targetKey))
    }

    private func queue(
        _ works: [TargetWork], _ ours: [String: ClaimedTenant], shared: Set<String>
    ) async throws(JobFailure) {
        if works.isEmpty { return }
        let keys = works.map(\.target.key)
        let unfinished = try await asking { store throws(StatusError) in
            try await store.stepJournal.unfinishedTargets(among: keys)
        }
        var own: [TargetWork] = []
        var offered: [TargetWork] = []
        for var work in works {
            work.isUnfinished = unfinished.contains(work.target.key)
            work.tenants.removeAll { ours[$0.id] == nil && !shared.contains($0.id) }
            guard let first = work.tenants.first else { continue }
            work.plannedFrom = ours[first.id]?.fromRevisions
            if let place = work.tenants.firstIndex(where: { shared.contains($0.id) }) {
                work.tenants.swapAt(0, place)
                offered.append(work)
            } else {
                own.append(work)
            }
        }
        for work in job.admit(own) + job.publish(offered) {
            guard let outcome = try await earlierOutcome(of: work.target) else { continue }
            job.end(work, outcome)
        }
    }

    /// A target that a tenant of an earlier page shares: its outcome holds for this tenant too.
    ///
    /// - Returns: `nil` when it cannot be known any more, since the job is being left.
    func earlierOutcome(of target: Target) async throws(JobFailure) -> TargetOutcome? {
        await job.waitUntilRecorded()
        let id = job.id
        let result = try await asking { store throws(StatusError) in
            try await store.jobTenants.ended(onTarget: target.key, job: id)
        }
        return result.map { TargetOutcome($0) }
    }

    /// Asks the control database, again while it is unavailable.
    func asking<R: Sendable>(
        _ question: @Sendable (ControlDatabase) async throws(StatusError) -> R
    ) async throws(JobFailure) -> R {
        try await retry { () throws(JobFailure) in
            do throws(StatusError) {
                return try await question(store)
            } catch {
                throw .status(error)
            }
        }
    }
}
