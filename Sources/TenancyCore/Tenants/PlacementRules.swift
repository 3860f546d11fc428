package import PostgresClient

/// What places the tenants of a fleet: the configuration's `tenancy`, as far as it says where they live.
package struct PlacementRules: Sendable, Equatable {
    package var isolation: IsolationRule
    /// The database that tenants share.
    package var databaseURL: Secret
    /// Where tenants with a database of their own have it, unless their row names it.
    package var databaseURLTemplate: Secret?
    /// The same past a transaction pooler, where the others lead through one.
    package var directDatabaseURL: Secret?
    package var directDatabaseURLTemplate: Secret?
    /// What stands before an identifier in the name of its schema.
    package var schemaPrefix: String
    /// Decrypts URLs that the registry stores encrypted.
    package var encryptionKey: Secret?

    package init(
        isolation: IsolationRule, databaseURL: Secret, databaseURLTemplate: Secret? = nil,
        directDatabaseURL: Secret? = nil, directDatabaseURLTemplate: Secret? = nil,
        schemaPrefix: String, encryptionKey: Secret? = nil
    ) {
        self.isolation = isolation
        self.databaseURL = databaseURL
        self.databaseURLTemplate = databaseURLTemplate
        self.directDatabaseURL = directDatabaseURL
        self.directDatabaseURLTemplate = directDatabaseURLTemplate
        self.schemaPrefix = schemaPrefix
        self.encryptionKey = encryptionKey
    }
}
