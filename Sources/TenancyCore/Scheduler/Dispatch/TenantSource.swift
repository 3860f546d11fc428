internal import ControlStore
internal import JobModel
internal import Support
internal import Tenants

/// Where the tenants of a job come from, page by page.
struct TenantSource: Sendable {
    let registry: any TenantRegistry
    let store: ControlDatabase
    let selection: TenantSelection
    /// The job whose failed and cancelled tenants are meant, instead of the registry's.
    let retryOf: JobID?

    private static let retried: [TenantState] = [.failed, .cancelled]

    var filter: RegistryFilter { selection.registryFilter }

    /// A page of tenants in order, and the cursor of the next; without one it was the last.
    struct Page: Sendable {
        var tenants: [Tenant]
        var next: String?
    }

    func page(after cursor: String?, limit: Int) async throws(JobFailure) -> Page {
        guard let retryOf else {
            let tenants = try await fromRegistry(after: cursor, limit: limit, filter: filter)
            return Page(tenants: tenants, next: tenants.count < limit ? nil : tenants.last?.id)
        }
        let ids: [String]
        do throws(StatusError) {
            ids = try await store.jobTenants.tenantIDs(
                of: retryOf, states: TenantSource.retried, limit: limit, after: cursor)
        } catch {
            throw .status(error)
        }
        if ids.isEmpty { return Page(tenants: [], next: nil) }
        var filter = self.filter
        filter.ids = Set(ids)
        let found = try await fromRegistry(after: nil, limit: limit, filter: filter)
        // The filter takes identifiers for ids as well.
        let tenants = found.filter { filter.ids?.contains($0.id) == true }
        return Page(tenants: tenants, next: ids.count < limit ? nil : ids.last)
    }

    /// How many tenants there are now; pages that are read later may bring more or fewer.
    func count() async throws(JobFailure) -> Int {
        if let retryOf {
            do throws(StatusError) {
                guard let job = try await store.jobs.find(retryOf) else { return 0 }
                return job.counts.failed + job.counts.cancelled
            } catch {
                throw .status(error)
            }
        }
        do throws(RegistryError) {
            let count = try await registry.count(filter)
            return min(count, selection.limit ?? .max)
        } catch {
            throw .registry(error)
        }
    }

    private func fromRegistry(
        after cursor: String?, limit: Int, filter: RegistryFilter
    ) async throws(JobFailure) -> [Tenant] {
        do throws(RegistryError) {
            return try await registry.page(after: cursor, limit: limit, filter: filter)
        } catch {
            throw .registry(error)
        }
    }
}

extension TenantSelection {
    /// What the registry can tell of the selection: all of it but `behind_only` and `limit`.
    var registryFilter: RegistryFilter {
        RegistryFilter(
            ids: ids.map { Set($0) }, match: match, statuses: Set(status.map(TenantStatus.init)),
            isolations: isolation.map { [$0] }, metadata: metadata ?? [:])
    }
}

/// What stops a whole job.
enum JobFailure: Error {
    case registry(RegistryError)
    case status(StatusError)
}
