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

    func record(_ admission: Admission) async -> Result<Void, JobFailure> {
        var claims = admission.ended
        for work in admission.works { claims += PageRecorder.claims(of: work) }
        if claims.isEmpty { return .success(()) }
        let ours: [String: ClaimedTenant]
        do throws(JobFailure) {
            ours = try await claimed(claims)
        } catch {
            return .failure(error)
        }
        count(admission.ended, ours)
        return await queue(admission.works, ours)
    }

    private static func claims(of work: TargetWork) -> [TenantClaim] {
        work.tenants.map { tenant in
            var result = TenantResult(tenantID: tenant.id, identifier: tenant.identifier)
            result.fromRevisions = work.state?.revisions
            return TenantClaim(result: result, targetKey: work.target.key)
        }
    }

    private func claimed(
        _ claims: [TenantClaim]
    ) async throws(JobFailure) -> [String: ClaimedTenant] {
        try await patience { () throws(JobFailure) in
            do throws(StatusError) {
                return try await store.claim(claims, job: run.id, lease: run.lease)
            } catch {
                throw .status(error)
            }
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
    ) async -> Result<Void, JobFailure> {
        let late = run.add(
            works.compactMap { work in
                var work = work
                work.tenants.removeAll { ours[$0.id] == nil }
                work.plannedFrom = work.tenants.first.flatMap { ours[$0.id]?.fromRevisions }
                return work.tenants.isEmpty ? nil : work
            })
        for work in late {
            switch await earlierOutcome(of: work.target) {
            case .success(let outcome): run.end(work, outcome)
            case .failure(let failure): return .failure(failure)
            }
        }
        return .success(())
    }

    /// A target that a tenant of an earlier page shares: what came of it holds for this tenant too.
    func earlierOutcome(of target: Target) async -> Result<TargetOutcome, JobFailure> {
        await run.waitUntilRecorded()
        do throws(JobFailure) {
            let result = try await patience { () throws(JobFailure) in
                do throws(StatusError) {
                    return try await store.ended(onTarget: target.key, job: run.id)
                } catch {
                    throw .status(error)
                }
            }
            guard let result else { return .success(.cancelledBeforeStart) }
            return .success(
                TargetOutcome(
                    state: result.state, fromRevisions: result.fromRevisions,
                    toRevisions: result.toRevisions, steps: result.steps,
                    plannedRevisions: result.plannedRevisions, failure: result.failure))
        } catch {
            return .failure(error)
        }
    }
}
