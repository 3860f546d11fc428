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
        do throws(JobFailure) {
            try await passes()
        } catch {
            await reader.close()
            throw error
        }
        await reader.close()
    }

    private func passes() async throws(JobFailure) {
        let total = try await pages.count()
        run.expect(total: total)
        try await pass(limit: run.request.pageSize, isClosing: false)
        if pages.source.retryOf == nil && left > 0 && !run.isDraining {
            // Tenants that became eligible behind the cursor meanwhile.
            try await pass(limit: TenantPager.closingPage, isClosing: true)
        }
        if run.isResumed && !run.isDraining { try await endLeftovers() }
    }

    private func pass(limit: Int, isClosing: Bool) async throws(JobFailure) {
        let pages = self.pages
        guard var page = try await pages.first(limit: limit) else { return }
        while !run.isDraining {
            // The next page is read while this one is admitted and waits for room.
            let next = page.next
            async let following = pages.page(after: next, limit: limit)
            var tenants = TenantPager.distinct(page.tenants)
            if isClosing && !tenants.isEmpty {
                let unseen = try await unseen(tenants.map(\.id))
                tenants.removeAll { !unseen.contains($0.id) }
            }
            tenants = Array(tenants.prefix(left))
            left -= tenants.count
            try await admit(tenants)
            guard let loaded = try await following.get(), left > 0 else { return }
            page = loaded
        }
    }

    /// A registry that is a query of the operator's own may have a row twice.
    private static func distinct(_ tenants: [Tenant]) -> [Tenant] {
        var distinct: [Tenant] = []
        for tenant in tenants {
            let isRepeated = distinct.last?.id.utf8.elementsEqual(tenant.id.utf8) ?? false
            if !isRepeated { distinct.append(tenant) }
        }
        return distinct
    }

    private func unseen(_ ids: [String]) async throws(JobFailure) -> Set<String> {
        let id = run.id
        return try await asking { store throws(StatusError) in
            try await store.unseen(ids, job: id)
        }
    }

    /// Tenants that an earlier lease recorded and that no page has brought again.
    private func endLeftovers() async throws(JobFailure) {
        let (id, lease) = (run.id, run.lease)
        let failure = TenantFailure(
            code: "tenant_gone",
            message: "the tenant left the selection while the job was interrupted",
            hint: "read its revision to see what the job did to it")
        let ended = try await asking { store throws(StatusError) in
            try await store.endUnclaimed(failure, job: id, lease: lease)
        }
        run.add(ended: ended, targets: [])
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
        let fresh = order.filter { run.standing(ofTarget: $0.key) == .new }
        let states = run.isCancelling ? [:] : await reader.read(fresh)
        for target in order where !run.isDraining {
            try await sort(target, targets[target] ?? [], states[target], into: &admission)
        }
        try await record(admission)
    }

    /// Decides whether there is anything to do for a target of the page.
    private func sort(
        _ target: Target, _ names: [TenantName], _ state: VersionState?,
        into admission: inout Admission
    ) async throws(JobFailure) {
        if run.standing(ofTarget: target.key) == .ended {
            guard let outcome = try await earlierOutcome(of: target) else { return }
            admission.ended += names.map { claim($0, outcome, target) }
        } else if run.isCancelling {
            admission.ended += names.map { claim($0, .cancelledBeforeStart, target) }
        } else if let state, let outcome = settled(state) {
            let names = try await selected(names, outcome)
            admission.ended += names.map { claim($0, outcome, target) }
        } else {
            admission.works.append(TargetWork(target: target, tenants: names, state: state))
        }
    }

    /// How a target ends that needs no work. A relative target that an earlier lease may have begun
    /// on counts from where it was then, which only its worker can tell.
    private func settled(_ state: VersionState) -> TargetOutcome? {
        run.isResumed && task.isRelative ? nil : task.settle(state)
    }

    /// `behind_only` leaves out who needs nothing, unless an earlier lease brought it there.
    private func selected(
        _ names: [TenantName], _ outcome: TargetOutcome
    ) async throws(JobFailure) -> [TenantName] {
        guard run.request.tenants.behindOnly, outcome.state == .skipped else { return names }
        if !run.isResumed { return [] }
        let unseen = try await unseen(names.map(\.id))
        return names.filter { !unseen.contains($0.id) }
    }

    /// A target that a tenant of an earlier page shares: what came of it holds for this tenant too.
    ///
    /// - Returns: `nil` when it cannot be known any more, since the job is being left.
    private func earlierOutcome(of target: Target) async throws(JobFailure) -> TargetOutcome? {
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
        let (id, lease) = (run.id, run.lease)
        let ours = try await asking { [claims] store throws(StatusError) in
            try await store.claim(claims, job: id, lease: lease)
        }
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
            guard let outcome = try await earlierOutcome(of: work.target) else { continue }
            run.end(work, outcome)
        }
    }

    /// Asks the control database with patience.
    private func asking<R: Sendable>(
        _ question: @Sendable (StatusStore) async throws(StatusError) -> R
    ) async throws(JobFailure) -> R {
        let store = environment.store
        return try await pages.patience { () throws(JobFailure) in
            do throws(StatusError) {
                return try await question(store)
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
