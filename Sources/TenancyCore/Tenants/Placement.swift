package import PostgresClient
internal import Support

/// Where migrations are applied: a database, and in schema isolation a schema in it. Tenants with
/// the same target are migrated once.
package struct Target: Sendable, Hashable {
    package let connection: ConnectionParameters
    /// The tenant's schema; nil where the database's default schema holds its tables.
    package let schema: SchemaName?
    /// The way to the same database past a pooler, where there is one.
    package let direct: ConnectionParameters?

    package init(
        connection: ConnectionParameters, schema: SchemaName?, direct: ConnectionParameters? = nil
    ) {
        self.connection = connection
        self.schema = schema
        self.direct = direct
    }

    /// The advisory lock that whoever migrates this target holds.
    ///
    /// It is made of the schema alone: PostgreSQL keeps advisory locks by database, so servers
    /// with two names still exclude each other. The text has a version, since daemons of two
    /// releases must agree or be told apart.
    package var lockKey: Int64 {
        let name = schema?.text ?? "public"
        let digest = Digest.sha256(Array("migrationd target 1\n\(name)".utf8))
        return digest[..<8].reduce(0) { $0 << 8 | Int64($1) }
    }

    /// Tells targets apart within a job and over restarts: 64 bits over server, database, user and
    /// schema.
    package var key: Int64 {
        let name = "\(connection.databaseKey)\n\(schema?.text ?? "")"
        return Digest.sha256(Array(name.utf8))[..<8].reduce(0) { $0 << 8 | Int64($1) }
    }

    /// Server, database and schema, for people.
    package var label: String {
        let database = "\(connection.serverKey)/\(connection.database)"
        return schema.map { "\(database)/\($0.text)" } ?? database
    }
}

/// What a tenant's row and the configuration make of it.
package struct Placement: Sendable, Hashable {
    package let isolation: Isolation
    package let target: Target

    package init(isolation: Isolation, target: Target) {
        self.isolation = isolation
        self.target = target
    }
}

/// A tenant that cannot be placed.
package struct PlacementError: Error, Sendable, Equatable {
    /// What is wrong with the row.
    package enum Reason: Sendable, Equatable {
        /// A name cannot be derived from the identifier.
        case invalidIdentifier
        /// The row's or the derived schema name cannot be used.
        case invalidSchema(SchemaNameError)
        /// The derived database name is longer than PostgreSQL keeps.
        case databaseNameTooLong
        /// The row names a strategy that does not exist.
        case unknownIsolation(String)
        /// The id cannot stand in a URL, and the template wants it there.
        case unsafeID
        /// The row's URL is encrypted, and the daemon has no key.
        case encryptionKeyMissing
        case undecryptableURL
        /// The row's or the filled template's URL cannot be used.
        case badDatabaseURL(ConnectionStringError)
    }

    package let tenantID: String
    package let identifier: String
    package let reason: Reason

    /// The reason for programs, one word a case.
    package enum Code: String, Sendable, CaseIterable {
        case invalidIdentifier = "invalid_identifier"
        case invalidSchemaName = "invalid_schema_name"
        case databaseNameTooLong = "database_name_too_long"
        case unknownIsolationStrategy = "unknown_isolation_strategy"
        case unsafeTenantID = "unsafe_tenant_id"
        case encryptionKeyMissing = "encryption_key_missing"
        case undecryptableDatabaseURL = "undecryptable_database_url"
        case invalidDatabaseURL = "invalid_database_url"
    }

    package var code: Code {
        switch reason {
        case .invalidIdentifier: .invalidIdentifier
        case .invalidSchema: .invalidSchemaName
        case .databaseNameTooLong: .databaseNameTooLong
        case .unknownIsolation: .unknownIsolationStrategy
        case .unsafeID: .unsafeTenantID
        case .encryptionKeyMissing: .encryptionKeyMissing
        case .undecryptableURL: .undecryptableDatabaseURL
        case .badDatabaseURL: .invalidDatabaseURL
        }
    }
}

extension PlacementError: CustomStringConvertible {
    package var description: String { "tenant \(identifier) (\(tenantID)): \(problem)" }

    private var problem: String {
        switch reason {
        case .invalidIdentifier:
            "no name can be derived from its identifier, which must be 3 to 63 lower-case"
                + " letters, digits and hyphens, a letter first and no hyphen last;"
                + " correct it, or set schema_name or database_url in its row"
        case .invalidSchema(let error):
            "its schema name \(error); correct schema_name in its row"
        case .databaseNameTooLong:
            "the database name derived from its identifier has more than 63 bytes;"
                + " set database_url in its row"
        case .unknownIsolation(let text):
            "its isolation_strategy \"\(scrub(text, limit: 40))\" is none of"
                + " schema, database, rls, hybrid; correct its row"
        case .unsafeID:
            "its id has characters that mean something in a URL, so it cannot stand for"
                + " {tenant_id} in tenancy.database_url_template; set database_url in its row"
        case .encryptionKeyMissing:
            "its database_url is encrypted; set tenancy.encryption_key"
        case .undecryptableURL:
            "its database_url \(FieldCipherError.invalidToken); check tenancy.encryption_key"
        case .badDatabaseURL(let error):
            "its database_url \(error)"
        }
    }
}
