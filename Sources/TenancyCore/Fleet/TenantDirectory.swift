package import ControlStore
package import Engine
package import JobModel
package import Logging
internal import PostgresClient
package import Revisions
package import Support
package import Tenants

/// A tenant with where it lies.
package struct PlacedTenant: Sendable {
    package let tenant: Tenant
    package let placement: Result<Placement, PlacementError>
}

/// A tenant with where it lies and what is known of it.
package struct TenantEntry: Sendable {
    package let tenant: Tenant
    package let placement: Result<Placement, PlacementError>
    package let status: TenantStatusRecord?
}

/// Which tenants a list holds; an empty member demands nothing.
package struct TenantQuery: Sendable, Equatable {
    package var filter: RegistryFilter
    /// A revision that must be among the last known rows; the empty text means base.
    package var revision: String?
    /// Whether the last known rows must be behind the heads, or must not.
    package var behind: Bool?

    package init(
        filter: RegistryFilter = RegistryFilter(), revision: String? = nil, behind: Bool? = nil
    ) {
        self.filter = filter
        self.revision = revision
        self.behind = behind
    }
}

/// A tenant's revision, read from the tenant itself.
package struct LiveRevision: Sendable, Equatable {
    package let current: [String]
    package let heads: [String]
    package let isHead: Bool
    /// Revisions that are missing up to the heads.
    package let pending: Int
    package let readAt: Timestamp
    /// A step that was begun and whose version row has not moved; nil also where that is not known.
    package let unfinished: UnfinishedStep?

    package init(
        current: [String], heads: [String], isHead: Bool, pending: Int, readAt: Timestamp,
        unfinished: UnfinishedStep? = nil
    ) {
        self.current = current
        self.heads = heads
        self.isHead = isHead
        self.pending = pending
        self.readAt = readAt
        self.unfinished = unfinished
    }
}

/// The fleet in numbers, from what was last read of each tenant.
package struct FleetSummary: Sendable, Equatable {
    package var asOf: Timestamp
    package var total = 0
    package var byStatus: [String: Int] = [:]
    /// By version rows joined with commas; the empty text is base.
    package var byRevision: [String: Int] = [:]
    package var behind = 0
    /// Tenants whose last migration failed.
    package var failedLastTime = 0
    /// Tenants whose last check, dry run or live reading failed.
    package var failedLastReading = 0
    package var neverRead = 0
    package var heads: [String]
}

/// Why a question about tenants cannot be answered.
package enum DirectoryError: Error, Sendable {
    case registry(RegistryError)
    case status(StatusError)
    case placement(PlacementError)
    /// The tenant's database does not answer, or refuses.
    case unreachable(TenantFailure)
}

/// Answers questions about tenants: the registry joined with what is known of each.
package struct TenantDirectory: Sendable {
    private static let page = 1_000

    private static let session = SessionSettings(
        lockTimeoutMilliseconds: 3_000, statementTimeoutMilliseconds: 10_000)

    private let registry: any TenantRegistry
    private let resolver: PlacementResolver
    private let store: ControlDatabase
    private let migrations: MigrationLibrary
    private let connections: TenantConnections
    private let external: (any ExternalStepRunner)?
    private let clock: WallClock
    private let logger: Logger

    /// Tenants whose database is not PostgreSQL are read by `external`.
    package init(
        registry: any TenantRegistry, resolver: PlacementResolver, store: ControlDatabase,
        migrations: MigrationLibrary, connections: TenantConnections,
        external: (any ExternalStepRunner)? = nil, clock: WallClock = .system, logger: Logger
    ) {
        self.registry = registry
        self.resolver = resolver
        self.store = store
        self.migrations = migrations
        self.connections = connections
        self.external = external
        self.clock = clock
        self.logger = logger
    }

    /// Tenants in the registry's order, after the id `tenantID` where it is given.
    package func list(
        _ query: TenantQuery, limit: Int, after tenantID: String? = nil
    ) async throws(DirectoryError) -> [TenantEntry] {
        var entries: [TenantEntry] = []
        var cursor = tenantID
        let graph = migrations.loaded.set.graph
        // Few of a page may fit what the registry cannot tell.
        let isFiltered = query.revision != nil || query.behind != nil
        let size = isFiltered ? TenantDirectory.page : limit
        while entries.count < limit {
            let page = try await page(query.filter, limit: size, after: cursor)
            entries += page.filter { TenantDirectory.fits($0, query, graph) }
            guard page.count == size else { break }
            cursor = page.last?.tenant.id
        }
        return Array(entries.prefix(limit))
    }

    /// The tenant with this id or, if there is none, this identifier, with what is known of it.
    package func find(_ idOrIdentifier: String) async throws(DirectoryError) -> TenantEntry? {
        guard let tenant = try await findTenant(idOrIdentifier) else { return nil }
        return try await entries([tenant]).first
    }

    /// The tenant with this id or identifier, and where it lies: the registry alone is asked.
    package func locate(_ idOrIdentifier: String) async throws(DirectoryError) -> PlacedTenant? {
        guard let tenant = try await findTenant(idOrIdentifier) else { return nil }
        return PlacedTenant(tenant: tenant, placement: resolver.placing(tenant))
    }

    private func findTenant(_ idOrIdentifier: String) async throws(DirectoryError) -> Tenant? {
        let found: [Tenant]
        do throws(RegistryError) {
            found = try await registry.find([idOrIdentifier])
        } catch {
            throw .registry(error)
        }
        return found.first { $0.id == idOrIdentifier } ?? found.first
    }

    /// Reads the tenant's version rows now, and notes them.
    package func readRevision(
        of located: PlacedTenant
    ) async throws(DirectoryError) -> LiveRevision {
        let placement: Placement
        do throws(PlacementError) {
            placement = try located.placement.get()
        } catch {
            throw .placement(error)
        }
        let rows = try await readRows(of: placement.target)
        let graph = migrations.loaded.set.graph
        let now = clock.now
        let name = TenantName(id: located.tenant.id, identifier: located.tenant.identifier)
        var unfinished: UnfinishedStep?
        do throws(StatusError) {
            unfinished = try await store.stepJournal.find(
                ofTarget: placement.target.key)
            try await store.tenantStatus.recordReading(of: name, revisions: rows, at: now)
        } catch {
            // The answer is the tenant's own; the control database does not change it.
            logger.warning(
                "A reading could not be recorded", metadata: ["reason": "\(error)"])
        }
        do throws(RevisionError) {
            return LiveRevision(
                current: rows, heads: graph.heads, isHead: try graph.isAtHead(rows: rows),
                pending: try graph.pendingCount(rows: rows), readAt: now,
                unfinished: unfinished?.fromRows == rows.sorted() ? unfinished : nil)
        } catch {
            throw .unreachable(FailureDescription.of(error))
        }
    }

    private func readRows(of target: Target) async throws(DirectoryError) -> [String] {
        guard target.connection.isPostgres else { return try await readForeignRows(of: target) }
        let table = migrations.loaded.set.versionTable
        guard table.tells(of: target.schema) else { throw .unreachable(.sharedVersionTable) }
        let state: VersionState
        do throws(PostgresError) {
            state = try await connections.withConnection(to: target) {
                connection throws(PostgresError) in
                try await VersionReader(settings: TenantDirectory.session, table: table)
                    .read([target.schema], on: connection)[0]
            }
        } catch {
            throw .unreachable(FailureDescription.of(error))
        }
        if state == .missingSchema { throw .unreachable(TargetTask.missingSchema) }
        return state.revisions
    }

    private func readForeignRows(of target: Target) async throws(DirectoryError) -> [String] {
        do throws(TenantFailure) {
            guard let runner = external else { throw .notPostgres }
            return try await runner.readRows(
                ExternalStep(
                    planned: nil, rows: [], target: target, tenant: nil,
                    versionTable: migrations.loaded.set.versionTable,
                    session: TenantDirectory.session))
        } catch {
            throw .unreachable(error)
        }
    }

    /// A tenant's results over all jobs, newest first.
    package func history(
        of tenantID: String, limit: Int, before job: JobID? = nil
    ) async throws(StatusError) -> [HistoryEntry] {
        try await store.jobTenants.history(of: tenantID, limit: limit, before: job)
    }

    /// Counts the whole registry, page by page.
    package func fleet() async throws(DirectoryError) -> FleetSummary {
        let graph = migrations.loaded.set.graph
        var summary = FleetSummary(asOf: clock.now, heads: graph.heads)
        var behind: [[String]: Bool] = [:]
        var cursor: String?
        while true {
            let page = try await page(RegistryFilter(), limit: TenantDirectory.page, after: cursor)
            for entry in page {
                summary.total += 1
                summary.byStatus[entry.tenant.status.rawValue, default: 0] += 1
                let last = entry.status?.last
                if last?.migration?.state == .failed { summary.failedLastTime += 1 }
                if last?.reading?.state == .failed { summary.failedLastReading += 1 }
                guard let rows = entry.status?.revisions else {
                    summary.neverRead += 1
                    continue
                }
                summary.byRevision[rows.sorted().joined(separator: ","), default: 0] += 1
                let isBehind = behind[rows] ?? graph.isBehind(rows: rows)
                behind[rows] = isBehind
                if isBehind { summary.behind += 1 }
            }
            guard page.count == TenantDirectory.page else { return summary }
            cursor = page.last?.tenant.id
        }
    }

    /// How many tenants of the registry failed at their last migration.
    func countFailed() async throws(DirectoryError) -> Int {
        var count = 0
        var cursor: String?
        while true {
            let ids: [String]
            do throws(StatusError) {
                ids = try await store.tenantStatus.suspectedFailures(
                    limit: TenantDirectory.page, after: cursor)
            } catch {
                throw .status(error)
            }
            if !ids.isEmpty { count += try await failed(among: ids) }
            guard ids.count == TenantDirectory.page else { return count }
            cursor = ids.last
        }
    }

    private func failed(among ids: [String]) async throws(DirectoryError) -> Int {
        let found: [Tenant]
        do throws(RegistryError) {
            found = try await registry.find(ids)
        } catch {
            throw .registry(error)
        }
        // One whose identifier is another's id is not among them.
        let wanted = Set(ids)
        return try await entries(found.filter { wanted.contains($0.id) })
            .count { $0.status?.last.migration?.state == .failed }
    }

    // MARK: - Joining

    private func page(
        _ filter: RegistryFilter, limit: Int, after cursor: String?
    ) async throws(DirectoryError) -> [TenantEntry] {
        let tenants: [Tenant]
        do throws(RegistryError) {
            tenants = try await registry.page(
                after: cursor, limit: limit, filter: filter)
        } catch {
            throw .registry(error)
        }
        return try await entries(tenants)
    }

    private func entries(_ tenants: [Tenant]) async throws(DirectoryError) -> [TenantEntry] {
        let statuses: [String: TenantStatusRecord]
        do throws(StatusError) {
            statuses = try await store.tenantStatus.find(tenants.map(\.id))
        } catch {
            throw .status(error)
        }
        return tenants.map { tenant in
            TenantEntry(
                tenant: tenant, placement: resolver.placing(tenant),
                status: statuses[tenant.id])
        }
    }

    private static func fits(
        _ entry: TenantEntry, _ query: TenantQuery, _ graph: RevisionGraph
    ) -> Bool {
        if query.revision == nil && query.behind == nil { return true }
        // What was never read is neither at a revision nor known to be behind.
        guard let rows = entry.status?.revisions else { return false }
        if let revision = query.revision {
            let isThere = revision.isEmpty ? rows.isEmpty : rows.contains(revision)
            if !isThere { return false }
        }
        return query.behind.map { $0 == graph.isBehind(rows: rows) } ?? true
    }
}
