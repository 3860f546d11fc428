internal import Logging

/// Brings a job its tenants: reads pages, places tenants, reads their revisions set-wise, records
/// them, settles those that need no work, and queues the rest.
final class TenantPager {
    /// Pages of the closing pass hold ids only to compare, so they are as large as pages get.
    private static let closingPage = 1_000

    private let run: JobRun
    private let environment: JobEnvironment
    private let pages: PatientPages
    private let task: TargetTask
    private let reader: SetReader
    private var left: Int

    init(run: JobRun, environment: JobEnvironment, task: TargetTask, retryOf: JobID?) {
        self.run = run
        self.environment = environment
        self.task = task
        pages = PatientPages(
            source: TenantSource(
                registry: environment.registry, store: environment.store,
                selection: run.request.tenants, retryOf: retryOf),
            patience: PagingPatience(run: run, logger: environment.logger))
        reader = SetReader(environment, session: environment.session(for: run.request))
        left = run.request.tenants.limit ?? .max
    }

    /// Pages through all tenants, from the first to the last.
    func page() async throws(JobFailure) {
        let total = try await pages.count()
        run.expect(total: total)
        try await pass(limit: run.request.pageSize, isClosing: false)
        if pages.source.retryOf == nil && left > 0 && !run.isDraining {
            // Tenants that became eligible behind the cursor meanwhile.
            try await pass(limit: TenantPager.closingPage, isClosing: true)
        }
        await reader.close()
    }

    private func pass(limit: Int, isClosing: Bool) async throws(JobFailure) {
        let pages = self.pages
        guard var page = try await pages.first(limit: limit) else { return }
        while !run.isDraining {
            // The next page is read while this one is admitted and waits for room.
            let next = page.next
            async let following = pages.page(after: next, limit: limit)
            var tenants = page.tenants
            if isClosing && !tenants.isEmpty { tenants = try await unseen(tenants) }
            tenants = Array(tenants.prefix(left))
            left -= tenants.count
            try await admit(tenants)
            guard let loaded = try await following.get(), left > 0 else { return }
            page = loaded
        }
    }

    private func unseen(_ tenants: [Tenant]) async throws(JobFailure) -> [Tenant] {
        let store = environment.store
        let id = run.id
        let unseen = try await pages.patience { () throws(JobFailure) in
            do throws(StatusError) {
                return try await store.unseen(tenants.map(\.id), job: id)
            } catch {
                throw .status(error)
            }
        }
        return tenants.filter { unseen.contains($0.id) }
    }

    // MARK: - One page

    private struct Admission {
        var works: [TargetWork] = []
        var ended: [TenantClaim] = []
    }

    private func admit(_ tenants: [Tenant]) async throws(JobFailure) {
        await waitForRoom()
        if tenants.isEmpty || run.isDraining { return }
        var admission = Admission()
        var targets: [Target: [TenantName]] = [:]
        var order: [Target] = []
        for tenant in tenants {
            let name = TenantName(id: tenant.id, identifier: tenant.identifier)
            switch environment.resolver.placing(tenant) {
            case .failure(let error):
                admission.ended.append(claim(name, .failed(FailureDescription.of(error)), nil))
            case .success(let placement):
                if targets[placement.target] == nil { order.append(placement.target) }
                targets[placement.target, default: []].append(name)
            }
        }
        try await sort(order, tenants: targets, into: &admission)
        try await record(admission)
    }

    /// Decides for each target of the page whether there is anything to do.
    private func sort(
        _ order: [Target], tenants: [Target: [TenantName]], into admission: inout Admission
    ) async throws(JobFailure) {
        let fresh = order.filter { run.standing(ofTarget: $0.key) == .new }
        let behindOnly = run.request.tenants.behindOnly
        let states =
            run.isStopping ? [:] : await reader.read(fresh, includingSingle: behindOnly)
        for target in order {
            let names = tenants[target] ?? []
            if run.isStopping {
                admission.ended += names.map { claim($0, .cancelledBeforeStart, target) }
            } else if run.standing(ofTarget: target.key) == .ended {
                let outcome = try await earlierOutcome(of: target)
                admission.ended += names.map { claim($0, outcome, target) }
            } else if let state = states[target], let outcome = task.settle(state) {
                if outcome.state == .skipped && behindOnly { continue }
                admission.ended += names.map { claim($0, outcome, target) }
            } else {
                admission.works.append(
                    TargetWork(target: target, tenants: names, state: states[target]))
            }
        }
    }

    /// A target that a tenant of an earlier page shares: what came of it holds for this tenant too.
    private func earlierOutcome(of target: Target) async throws(JobFailure) -> TargetOutcome {
        let store = environment.store
        let id = run.id
        await run.waitUntilRecorded()
        let result = try await pages.patience { () throws(JobFailure) in
            do throws(StatusError) {
                return try await store.ended(onTarget: target.key, job: id)
            } catch {
                throw .status(error)
            }
        }
        guard let result else { return .cancelledBeforeStart }
        return TargetOutcome(
            state: result.state, fromRevisions: result.fromRevisions,
            toRevisions: result.toRevisions, steps: result.steps,
            plannedRevisions: result.plannedRevisions, failure: result.failure)
    }

    private func claim(
        _ name: TenantName, _ outcome: TargetOutcome, _ target: Target?
    ) -> TenantClaim {
        TenantClaim(
            result: TenantResult(name, nil, outcome, finishedAt: environment.clock.now),
            targetKey: target?.key)
    }

    /// Records the page, so that no tenant is worked on that the tables do not know of.
    private func record(_ admission: Admission) async throws(JobFailure) {
        var claims = admission.ended
        for work in admission.works {
            claims += work.tenants.map { tenant in
                var result = TenantResult(tenantID: tenant.id, identifier: tenant.identifier)
                result.fromRevisions = work.state?.revisions
                return TenantClaim(result: result, targetKey: work.target.key)
            }
        }
        let ours = try await claimed(claims)
        let ended = admission.ended.compactMap { claim -> TenantClaim? in
            guard let state = ours[claim.result.tenantID]?.state else { return nil }
            var claim = claim
            claim.result.state = state
            return claim
        }
        run.add(ended: ended.map(\.result), targets: ended.compactMap(\.targetKey))
        let late = run.add(
            admission.works.compactMap { work in
                var work = work
                work.tenants.removeAll { ours[$0.id] == nil }
                work.plannedFrom = work.tenants.first.flatMap { ours[$0.id]?.fromRevisions }
                return work.tenants.isEmpty ? nil : work
            })
        for work in late {
            run.end(work, try await earlierOutcome(of: work.target))
        }
    }

    private func claimed(
        _ claims: [TenantClaim]
    ) async throws(JobFailure) -> [String: ClaimedTenant] {
        let store = environment.store
        let (id, lease) = (run.id, run.lease)
        return try await pages.patience { () throws(JobFailure) in
            do throws(StatusError) {
                return try await store.claim(claims, job: id, lease: lease)
            } catch {
                throw .status(error)
            }
        }
    }

    // MARK: - Waiting

    /// Waits until the queue is short, and meanwhile holds no connection that a worker needs.
    private func waitForRoom() async {
        while !Task.isCancelled {
            let generation = run.room.generation
            if run.hasRoom(for: run.request.pageSize) { return }
            await reader.yieldContended()
            await run.room.wait(after: generation, until: .after(.seconds(1)))
        }
    }
}
