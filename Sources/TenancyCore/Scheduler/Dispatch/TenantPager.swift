internal import ControlStore
internal import Engine
internal import JobModel
internal import Logging
internal import Support
internal import Tenants

/// Brings a job its tenants: reads pages, places tenants, reads their revisions in batches, records
/// them, settles those that need no work, and queues the rest.
final class TenantPager {
    /// Pages of the closing pass hold ids only to compare, so they are as large as pages get.
    private static let closingPage = 1_000

    private let job: ActiveJob
    private let task: TargetTask
    private let pages: RetryingPages
    private let recorder: PageRecorder
    private let reader: BatchReader
    private let resolver: PlacementResolver
    private let clock: WallClock
    private var left: Int
    /// Whether any page of the registry has brought a tenant.
    private var hasSeenTenants = false

    init(
        job: ActiveJob, task: TargetTask, pages: RetryingPages, recorder: PageRecorder,
        reader: BatchReader, resolver: PlacementResolver, clock: WallClock
    ) {
        self.job = job
        self.task = task
        self.pages = pages
        self.recorder = recorder
        self.reader = reader
        self.resolver = resolver
        self.clock = clock
        left = job.request.tenants.limit ?? .max
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
        job.expect(total: total)
        try await pass(limit: job.request.pageSize, isClosing: false)
        if pages.source.retryOf == nil && left > 0 && !job.isDraining {
            // Tenants that became eligible behind the cursor meanwhile.
            try await pass(limit: TenantPager.closingPage, isClosing: true)
        }
        if job.isResumed && !job.isDraining { try await endLeftovers() }
        if !hasSeenTenants && !job.request.allowEmpty { job.failIfEmpty() }
    }

    /// One pass over the registry. Three pages are on their way at a time: while one is recorded, the
    /// revisions of the next are read, and the rows of the one after that.
    private func pass(limit: Int, isClosing: Bool) async throws(JobFailure) {
        let (pages, recorder) = (self.pages, self.recorder)
        var page = try await pages.first(limit: limit)
        var decided = Admission()
        while let current = page, !job.isDraining {
            async let following = pages.page(after: current.next, limit: limit)
            async let recorded = recorder.record(decided)
            let admission = await admission(of: current, isClosing: isClosing)
            // Awaited whatever came of this page: what is claimed has to be counted.
            try await recorded.get()
            decided = try admission.get()
            page = left > 0 ? try await following.get() : nil
        }
        try await recorder.record(decided).get()
    }

    private func admission(
        of page: TenantSource.Page, isClosing: Bool
    ) async -> Result<Admission, JobFailure> {
        do throws(JobFailure) {
            var tenants = TenantPager.distinct(page.tenants)
            hasSeenTenants = hasSeenTenants || !tenants.isEmpty
            if isClosing && !tenants.isEmpty {
                let unseen = try await unseen(tenants.map(\.id))
                tenants.removeAll { !unseen.contains($0.id) }
            }
            tenants = Array(tenants.prefix(left))
            left -= tenants.count
            return .success(try await admit(tenants))
        } catch {
            return .failure(error)
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
        let id = job.id
        return try await recorder.asking { store throws(StatusError) in
            try await store.jobTenants.unseen(ids, job: id)
        }
    }

    /// Tenants that an earlier lease recorded and that no page has brought again.
    private func endLeftovers() async throws(JobFailure) {
        let (id, lease) = (job.id, job.lease)
        let failure = TenantFailure(
            code: .job(.tenantGone),
            message: "the tenant left the selection while the job was interrupted",
            hint: "read its revision to see what the job did to it")
        while !job.isDraining {
            let ended = try await recorder.asking { store throws(StatusError) in
                try await store.jobTenants.endUnclaimed(failure, job: id, lease: lease)
            }
            job.admit(ended: ended, targets: [])
            // Those that another replica has in hand end with what it does.
            let known = job.publishedTenants
            let elsewhere = try await recorder.asking { store throws(StatusError) in
                try await store.handovers.countClaimed(of: id, lease: lease, besides: known)
            }
            if elsewhere == 0 { return }
            let generation = job.room.generation
            job.coordination.notify()
            await job.room.wait(after: generation, until: .after(.milliseconds(250)))
        }
    }

    // MARK: - One page

    private func admit(_ tenants: [Tenant]) async throws(JobFailure) -> Admission {
        await waitForRoom()
        var admission = Admission()
        if tenants.isEmpty || job.isDraining { return admission }
        var targets: [Target: [TenantName]] = [:]
        var order: [Target] = []
        for tenant in tenants {
            let name = TenantName(id: tenant.id, identifier: tenant.identifier)
            switch resolver.placing(tenant) {
            case .failure(let error):
                admission.ended.append(claim(name, .failed(FailureDescription.of(error)), nil))
            case .success(let placement):
                if targets[placement.target] == nil { order.append(placement.target) }
                targets[placement.target, default: []].append(name)
            }
        }
        let fresh = order.filter { job.standing(ofTarget: $0.key) == .new }
        let behindOnly = job.request.tenants.behindOnly
        let states =
            job.isCancelling ? [:] : await reader.read(fresh, includingSingle: behindOnly)
        for target in order where !job.isDraining {
            try await sort(target, targets[target] ?? [], states[target], into: &admission)
        }
        return admission
    }

    /// Decides whether there is anything to do for a target of the page.
    private func sort(
        _ target: Target, _ names: [TenantName], _ state: VersionState?,
        into admission: inout Admission
    ) async throws(JobFailure) {
        if job.standing(ofTarget: target.key) == .ended {
            guard let outcome = try await recorder.earlierOutcome(of: target) else { return }
            admission.ended += names.map { claim($0, outcome, target) }
        } else if job.isCancelling {
            admission.ended += names.map { claim($0, .cancelledBeforeStart, target) }
        } else if let state, let outcome = outcomeWithoutWork(state) {
            let names = try await selected(names, outcome)
            admission.ended += names.map { claim($0, outcome, target) }
            if job.isResumed {
                admission.unconfirmed.append(
                    TargetWork(target: target, tenants: names, state: state))
            }
        } else {
            admission.works.append(TargetWork(target: target, tenants: names, state: state))
        }
    }

    /// How a target ends that needs no work. A relative target that an earlier lease may have begun
    /// on counts from where it was then, which only its worker can tell.
    private func outcomeWithoutWork(_ state: VersionState) -> TargetOutcome? {
        job.isResumed && task.isRelative ? nil : task.settle(state)
    }

    /// `behind_only` leaves out who needs nothing, unless an earlier lease brought it there.
    private func selected(
        _ names: [TenantName], _ outcome: TargetOutcome
    ) async throws(JobFailure) -> [TenantName] {
        guard job.request.tenants.behindOnly, outcome.state == .skipped else { return names }
        if !job.isResumed { return [] }
        let unseen = try await unseen(names.map(\.id))
        return names.filter { !unseen.contains($0.id) }
    }

    private func claim(
        _ name: TenantName, _ outcome: TargetOutcome, _ target: Target?
    ) -> TenantClaim {
        TenantClaim(
            result: TenantResult(name, nil, outcome, finishedAt: clock.now),
            targetKey: target?.key)
    }

    // MARK: - Waiting

    /// Waits until the queue is short, and meanwhile holds no connection that a worker needs.
    private func waitForRoom() async {
        while !Task.isCancelled {
            let generation = job.room.generation
            if job.hasRoom(for: job.request.pageSize) { return }
            await reader.yieldContended()
            await job.room.wait(after: generation, until: .after(.seconds(1)))
        }
    }
}
