/// How one tenant's data is kept apart from the others'.
public enum Isolation: String, Sendable, CaseIterable {
    /// A schema of its own in the shared database.
    case schema
    /// A database of its own.
    case database
    /// Rows of the shared tables, told apart by row-level security.
    case rls
}

/// How isolation is chosen: for every tenant alike, or `hybrid`, by the list of premium tenants.
/// The words are those of fastapi-tenancy's `IsolationStrategy`.
public enum IsolationStrategy: String, Sendable, CaseIterable {
    case schema, database, rls, hybrid

    /// The isolation that this names outright; nil for `hybrid`.
    public var isolation: Isolation? { Isolation(rawValue: rawValue) }
}

/// Which isolation a tenant gets. A tenant's own strategy goes before the one for all;
/// fastapi-tenancy documents that.
public struct IsolationRule: Sendable, Equatable {
    /// The strategy of tenants that name none.
    public let strategy: IsolationStrategy
    /// The ids of premium tenants.
    public let premiumTenants: Set<String>
    /// What `hybrid` means for premium tenants.
    public let premium: Isolation
    /// What `hybrid` means for all others.
    public let standard: Isolation

    public init(
        strategy: IsolationStrategy, premiumTenants: Set<String>, premium: Isolation,
        standard: Isolation
    ) {
        self.strategy = strategy
        self.premiumTenants = premiumTenants
        self.premium = premium
        self.standard = standard
    }

    /// The isolation of a tenant; nil when its row names a strategy that does not exist.
    public func isolation(of tenant: Tenant) -> Isolation? {
        guard let own = tenant.isolationStrategy else { return resolve(strategy, tenant.id) }
        return IsolationStrategy(rawValue: own).map { resolve($0, tenant.id) }
    }

    private func resolve(_ strategy: IsolationStrategy, _ id: String) -> Isolation {
        strategy.isolation ?? (premiumTenants.contains(id) ? premium : standard)
    }
}
