package import PostgresClient
package import Tenants

/// The databases in which the registry's tenants live.
package struct TenantDatabases: Sendable {
    private static let page = 1_000

    /// In the order of their first tenants, at most as many as were asked for.
    package private(set) var databases: [ConnectionParameters] = []
    /// Databases beyond those.
    package private(set) var leftOut = 0
    package private(set) var tenants = 0
    /// Tenants that are not on PostgreSQL.
    package private(set) var foreign = 0
    /// Tenants that cannot be placed, the first few by name.
    package private(set) var misplaced: [PlacementError] = []
    package private(set) var misplacedCount = 0

    /// Reads the whole registry, page by page; tenants of any status.
    package static func read(
        _ registry: any TenantRegistry, _ resolver: PlacementResolver, limit: Int
    ) async throws(RegistryError) -> TenantDatabases {
        var found = TenantDatabases()
        var seen: Set<String> = []
        var last: String?
        while true {
            let tenants = try await registry.page(
                after: last, limit: page, filter: RegistryFilter())
            for tenant in tenants { found.add(tenant, resolver, &seen, limit: limit) }
            guard tenants.count == page, let id = tenants.last?.id else { return found }
            last = id
        }
    }

    private mutating func add(
        _ tenant: Tenant, _ resolver: PlacementResolver, _ seen: inout Set<String>, limit: Int
    ) {
        tenants += 1
        do throws(PlacementError) {
            let connection = try resolver.place(tenant).target.connection
            guard connection.isPostgres else { return foreign += 1 }
            guard seen.insert(connection.databaseKey).inserted else { return }
            if databases.count < limit { databases.append(connection) } else { leftOut += 1 }
        } catch {
            misplacedCount += 1
            if misplaced.count < DatabaseExaminer.listed { misplaced.append(error) }
        }
    }

    /// What the registry says, as a check.
    package var check: DoctorCheck {
        var detail = "\(tenants) tenants in \(databases.count + leftOut) databases"
        if foreign > 0 { detail += ", and \(foreign) that are not on PostgreSQL" }
        if misplacedCount > 0 {
            return DoctorCheck(
                "registry", .warn,
                detail + "; \(misplacedCount) cannot be placed: "
                    + misplaced.map(\.description).joined(separator: "; "),
                remedy: "correct the registry's rows")
        }
        if leftOut > 0 {
            return DoctorCheck(
                "registry", .warn, detail + "; \(leftOut) databases were not looked at",
                remedy: "raise --databases")
        }
        return DoctorCheck("registry", .ok, detail)
    }
}
