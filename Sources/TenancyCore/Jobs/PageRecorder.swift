/// What was decided about the tenants of a page, before any of it is done.
struct Admission: Sendable {
    /// Targets that a worker has to see to.
    var works: [TargetWork] = []
    /// Tenants that need no worker.
    var ended: [TenantClaim] = []
}

/// Records a page, so that no tenant is worked on that the tables do not know of, and then counts
/// and queues what it holds.
struct PageRecorder: Sendable {
    let run: JobRun
    let store: StatusStore
    let patience: PagingPatience

    /// A value, because `async let` forgets the type of what is thrown.
    func record(_ admission: Admission) async -> Result<Void, JobFailure> {
        do throws(JobFailure) {
            return .success(try await claim(admission))
        } catch {
            return .failure(error)
        }
    }

    private func claim(_ admission: Admission) async throws(JobFailure) {
        var claims = admission.ended
        for work in admission.works { claims += PageRecorder.claims(of: work) }
        if claims.isEmpty { return }
        let (id, lease) = (run.id, run.lease)
        let ours = try await asking { [claims] store throws(StatusError) in
            try await store.claim(claims, job: id, lease: lease)
        }
        count(admission.ended, ours)
        try await queue(admission.works, ours)
    }

    private static func claims(of work: TargetWork) -> [TenantClaim] {
        work.tenants.map { tenant in
            var result = TenantResult(tenantID: tenant.id, identifier: tenant.identifier)
            result.fromRevisions = work.state?.revisions
            return TenantClaim(result: result, targetKey: work.target.key)
        }
    }

    private func count(_ claims: [TenantClaim], _ ours: [String: ClaimedTenant]) {
        let ended = claims.compactMap { claim -> TenantClaim? in
            guard let state = ours[claim.result.tenantID]?.state else { return nil }
            var claim = claim
            claim.result.state = state
            return claim
        }
        run.add(ended: ended.map(\.result), targets: ended.compactMap(\.targetKey))
    }

    private func queue(
        _ works: [TargetWork], _ ours: [String: ClaimedTenant]
    ) async throws(JobFailure) {
        if works.isEmpty { return }
        let keys = works.map(\.target.key)
        let unfinished = try await asking { store throws(StatusError) in
            try await store.unfinishedTargets(among: keys)
        }
        let late = run.add(
            works.compactMap { work in
                var work = work
                work.isUnfinished = unfinished.contains(work.target.key)
                work.tenants.removeAll { ours[$0.id] == nil }
                work.plannedFrom = work.tenants.first.flatMap { ours[$0.id]?.fromRevisions }
                return work.tenants.isEmpty ? nil : work
            })
        for work in late {
            guard let outcome = try await earlierOutcome(of: work.target) else { continue }
            run.end(work, outcome)
        }
    }

    /// A target that a tenant of an earlier page shares: what came of it holds for this tenant too.
    ///
    /// - Returns: `nil` when it cannot be known any more, since the job is being left.
    func earlierOutcome(of target: Target) async throws(JobFailure) -> TargetOutcome? {
        await run.waitUntilRecorded()
        let id = run.id
        let result = try await asking { store throws(StatusError) in
            try await store.ended(onTarget: target.key, job: id)
        }
        return result.map { result in
            TargetOutcome(
                state: result.state, fromRevisions: result.fromRevisions,
                toRevisions: result.toRevisions, steps: result.steps,
                plannedRevisions: result.plannedRevisions, failure: result.failure)
        }
    }

    /// Asks the control database with patience.
    func asking<R: Sendable>(
        _ question: @Sendable (StatusStore) async throws(StatusError) -> R
    ) async throws(JobFailure) -> R {
        try await patience { () throws(JobFailure) in
            do throws(StatusError) {
                return try await question(store)
            } catch {
                throw .status(error)
            }
        }
    }
}
