internal import ControlStore
internal import JobModel

/// The results of a job that runs: the table's rows, with the tenants being worked on from memory.
struct LiveResults {
    let job: ActiveJob
    let tenants: JobTenantTable

    func page(
        states: [TenantState], limit: Int, after tenantID: String?
    ) async throws(StatusError) -> [TenantResult] {
        if states == [.running] {
            let running = job.runningTenants
            let ids = running.keys.filter { id in
                tenantID.map { LiveResults.precedes($0, id) } ?? true
            }
            return ids.sorted(by: LiveResults.precedes).prefix(limit).compactMap { running[$0] }
        }
        // In the table a tenant that was started is still pending.
        let started = job.startedTenants
        let recorded = states.isEmpty || !states.contains(.running) ? states : states + [.pending]
        var results: [TenantResult] = []
        var cursor = tenantID
        while results.count < limit {
            let rows = try await tenants.results(
                of: job.id, states: recorded, limit: limit, after: cursor)
            results += rows.map { $0.state == .pending ? started[$0.tenantID] ?? $0 : $0 }.filter {
                states.isEmpty || states.contains($0.state)
            }
            guard rows.count == limit else { break }
            cursor = rows.last?.tenantID
        }
        return Array(results.prefix(limit))
    }

    /// The order of the table's "C" collation.
    private static func precedes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}
