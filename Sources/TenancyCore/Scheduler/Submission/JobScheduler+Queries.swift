package import ControlStore
package import JobModel
internal import Support

/// Jobs as those who ask see them: from memory while they live here, else from the tables.
extension JobScheduler {
    /// A job as it stands now; `nil` when there is none of that id.
    package func snapshot(_ id: JobID) async throws(StatusError) -> JobSnapshot? {
        if let active = live[id]?.job { return active.snapshot }
        return try await recorded(id)
    }

    private func recorded(_ id: JobID) async throws(StatusError) -> JobSnapshot? {
        let job = try await store.jobs.find(id)
        return job ?? left[id]?.job
    }

    /// Whether this replica runs the job, or has it waiting.
    func runsHere(_ id: JobID) -> Bool { live[id] != nil }

    /// Waits until the job's version is another than `version`, or, without one, until it has ended;
    /// at most for `timeout`.
    package func wait(
        _ id: JobID, version: Int?, timeout: Duration
    ) async throws(StatusError) -> JobSnapshot? {
        let deadline = Deadline.after(timeout)
        while let active = live[id]?.job {
            let generation = active.changes.generation
            let job = active.snapshot
            let isOver = version.map { job.version != $0 } ?? false
            if isOver || job.state.isFinal || deadline.hasPassed || Task.isCancelled { return job }
            await active.changes.wait(after: generation, until: deadline)
        }
        // Led by another replica: looked at when somebody says that it has changed, and by itself.
        while true {
            let generation = signals.jobs.generation
            guard let job = try await recorded(id) else { return nil }
            let isOver = version.map { job.version != $0 } ?? false
            let isLeaving = isDraining || Task.isCancelled
            if isOver || job.state.isFinal || deadline.hasPassed || isLeaving { return job }
            await signals.jobs.wait(
                after: generation, until: deadline.earlier(of: .after(.seconds(1))))
        }
    }

    /// Newest first, before `id` where it is given.
    package func jobs(
        _ filter: JobFilter, limit: Int, before id: JobID? = nil
    ) async throws(StatusError) -> [JobSnapshot] {
        // The table's states of live jobs may be older than those in memory.
        let recorded = JobFilter(operations: filter.operations)
        var jobs: [JobSnapshot] = []
        var cursor = id
        while jobs.count < limit {
            let page = try await store.jobs.list(recorded, limit: limit, before: cursor)
            for job in page {
                let current = live[job.id]?.job.snapshot ?? job
                if filter.states.isEmpty || filter.states.contains(current.state) {
                    jobs.append(current)
                }
            }
            guard page.count == limit else { break }
            cursor = page.last?.id
        }
        return Array(jobs.prefix(limit))
    }

    /// A job's results in the order of tenant ids, after `tenantID` where it is given.
    package func results(
        _ id: JobID, states: [TenantState], limit: Int, after tenantID: String? = nil
    ) async throws(StatusError) -> [TenantResult] {
        guard let active = live[id]?.job else {
            return try await store.jobTenants.results(
                of: id, states: states, limit: limit, after: tenantID)
        }
        await active.waitUntilRecorded(until: .after(.seconds(2)))
        return try await LiveResults(job: active, tenants: store.jobTenants).page(
            states: states, limit: limit, after: tenantID)
    }
}
