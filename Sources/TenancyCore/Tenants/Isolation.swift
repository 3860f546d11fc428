/// How one tenant's data is kept apart from the others'.
package enum Isolation: String, Sendable, CaseIterable {
    /// A schema of its own in the shared database.
    case schema
    /// A database of its own.
    case database
    /// Rows of the shared tables, told apart by row-level security.
    case rls
}

/// How isolation is chosen: for every tenant alike, or `hybrid`, by the list of premium tenants.
/// The words are those of fastapi-tenancy's `IsolationStrategy`.
package enum IsolationStrategy: String, Sendable, CaseIterable {
    case schema, database, rls, hybrid

    /// The isolation that this names outright; nil for `hybrid`.
    package var isolation: Isolation? { Isolation(rawValue: rawValue) }
}

/// Which isolation a tenant gets. A tenant's own strategy goes before the one for all;
/// fastapi-tenancy documents that.
package struct IsolationRule: Sendable, Equatable {
    /// The strategy of tenants that name none.
    package let strategy: IsolationStrategy
    /// The ids of premium tenants.
    package let premiumTenants: Set<String>
    /// What `hybrid` means for premium tenants.
    package let premium: Isolation
    /// What `hybrid` means for all others.
    package let standard: Isolation

    package init(
        strategy: IsolationStrategy, premiumTenants: Set<String>, premium: Isolation,
        standard: Isolation
    ) {
        self.strategy = strategy
        self.premiumTenants = premiumTenants
        self.premium = premium
        self.standard = standard
    }

    /// The isolation of a tenant; nil when its row names a strategy that does not exist.
    package func isolation(of tenant: Tenant) -> Isolation? {
        guard let own = tenant.isolationStrategy else { return resolve(strategy, tenant.id) }
        return IsolationStrategy(rawValue: own).map { resolve($0, tenant.id) }
    }

    private func resolve(_ strategy: IsolationStrategy, _ id: String) -> Isolation {
        strategy.isolation ?? (premiumTenants.contains(id) ? premium : standard)
    }
}
