package import Support

/// Which tenants are meant. Every condition that is set must hold.
package struct RegistryFilter: Sendable, Equatable {
    /// Ids or identifiers.
    package var ids: Set<String>?
    /// A pattern for the identifier.
    package var match: Glob?
    package var statuses: Set<TenantStatus>?
    /// The isolation that the tenant gets, by its row or by the rule for all.
    package var isolations: Set<Isolation>?
    /// Members that the metadata must have, with equal values.
    package var metadata: JSONObject

    /// A filter; without conditions every tenant is meant.
    package init(
        ids: Set<String>? = nil, match: Glob? = nil, statuses: Set<TenantStatus>? = nil,
        isolations: Set<Isolation>? = nil, metadata: JSONObject = [:]
    ) {
        self.ids = ids
        self.match = match
        self.statuses = statuses
        self.isolations = isolations
        self.metadata = metadata
    }

    /// Whether a tenant is meant.
    package func matches(_ tenant: Tenant, rule: IsolationRule) -> Bool {
        if let ids, !ids.contains(tenant.id), !ids.contains(tenant.identifier) { return false }
        if let match, !match.matches(tenant.identifier) { return false }
        if let statuses, !statuses.contains(tenant.status) { return false }
        if let isolations {
            guard let isolation = rule.isolation(of: tenant), isolations.contains(isolation)
            else { return false }
        }
        return metadata.members.allSatisfy { tenant.metadata[$0.key] == $0.value }
    }
}

/// Why the registry did not answer.
package enum RegistryError: Error, Sendable, Equatable, CustomStringConvertible {
    /// It cannot be reached now; trying again may help.
    case unavailable(reason: String)
    /// It is not what the configuration says: no such table or column, no right to read it, a
    /// file that cannot be read.
    case invalid(reason: String)
    /// It cannot work with a value that it was asked about, or with one of its own.
    case refusedValue(reason: String)

    /// Whether asking again later may help.
    package var isTemporary: Bool {
        switch self {
        case .unavailable: true
        case .invalid, .refusedValue: false
        }
    }

    package var description: String {
        switch self {
        case .unavailable(let reason): "the tenant registry cannot be reached: \(reason)"
        case .invalid(let reason): "the tenant registry cannot be used: \(reason)"
        case .refusedValue(let reason): "the tenant registry cannot work with a value: \(reason)"
        }
    }
}

/// Where tenants are listed.
package protocol TenantRegistry: Sendable {
    /// The next tenants after an id, at most `limit`, in the order of their ids. A tenant that is
    /// added, changed or removed between two pages neither hides nor repeats another.
    func page(
        after id: String?, limit: Int, filter: RegistryFilter
    ) async throws(RegistryError) -> [Tenant]

    /// The tenants that have one of these as id or identifier, in the order of their ids.
    func find(_ idsOrIdentifiers: [String]) async throws(RegistryError) -> [Tenant]

    /// How many tenants are meant.
    func count(_ filter: RegistryFilter) async throws(RegistryError) -> Int
}
