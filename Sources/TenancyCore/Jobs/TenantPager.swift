internal import Logging

/// Brings a job its tenants: reads pages, places tenants, reads their revisions set-wise, records
/// them, settles those that need no work, and queues the rest.
final class TenantPager {
    /// Pages of the closing pass hold ids only to compare, so they are as large as pages get.
    private static let closingPage = 1_000

    private let run: JobRun
    private let environment: JobEnvironment
    private let pages: PatientPages
    private let recorder: PageRecorder
    private let task: TargetTask
    private let reader: SetReader
    private var left: Int

    init(run: JobRun, environment: JobEnvironment, task: TargetTask, retryOf: JobID?) {
        self.run = run
        self.environment = environment
        self.task = task
        let patience = PagingPatience(run: run, logger: environment.logger)
        recorder = PageRecorder(run: run, store: environment.store, patience: patience)
        pages = PatientPages(
            source: TenantSource(
                registry: environment.registry, store: environment.store,
                selection: run.request.tenants, retryOf: retryOf),
            patience: patience)
        reader = SetReader(environment, session: environment.session(for: run.request))
        left = run.request.tenants.limit ?? .max
    }

    /// Pages through all tenants, from the first to the last.
    func page() async throws(JobFailure) {
        let result: Result<Void, JobFailure>
        do throws(JobFailure) {
            result = .success(try await pageAll())
        } catch {
            result = .failure(error)
        }
        // Its slots must come free however the paging ends.
        await reader.close()
        try result.get()
    }

    private func pageAll() async throws(JobFailure) {
        let total = try await pages.count()
        run.expect(total: total)
        try await pass(limit: run.request.pageSize, isClosing: false)
        if pages.source.retryOf == nil && left > 0 && !run.isDraining {
            // Tenants that became eligible behind the cursor meanwhile.
            try await pass(limit: TenantPager.closingPage, isClosing: true)
        }
    }

    /// One pass over the registry. Three pages are on their way at a time: while one is recorded, the
    /// revisions of the next are read, and the rows of the one after that.
    private func pass(limit: Int, isClosing: Bool) async throws(JobFailure) {
        let (pages, recorder) = (self.pages, self.recorder)
        var page = try await pages.first(limit: limit)
        var decided = Admission()
        while let current = page, !run.isDraining {
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
            var tenants = page.tenants
            if isClosing && !tenants.isEmpty { tenants = try await unseen(tenants) }
            tenants = Array(tenants.prefix(left))
            left -= tenants.count
            return .success(try await admit(tenants))
        } catch {
            return .failure(error)
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

    private func admit(_ tenants: [Tenant]) async throws(JobFailure) -> Admission {
        await waitForRoom()
        var admission = Admission()
        if tenants.isEmpty || run.isDraining { return admission }
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
        return admission
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
                let outcome = try await recorder.earlierOutcome(of: target).get()
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

    private func claim(
        _ name: TenantName, _ outcome: TargetOutcome, _ target: Target?
    ) -> TenantClaim {
        TenantClaim(
            result: TenantResult(name, nil, outcome, finishedAt: environment.clock.now),
            targetKey: target?.key)
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
