package import PostgresClient
internal import Support

/// Works out where a tenant lives, as fastapi-tenancy does from the same row and configuration.
///
/// It differs where the library would be wrong in silence: a row's own strategy counts, and names
/// that PostgreSQL would cut or a URL would take for something else are refused.
package struct PlacementResolver: Sendable {
    private let rule: IsolationRule
    private let shared: ConnectionParameters
    private let template: DatabaseURLTemplate?
    /// The ways past a pooler.
    private let direct: ConnectionParameters?
    private let directTemplate: DatabaseURLTemplate?
    private let schemaPrefix: String
    private let cipher: FieldCipher?

    /// Prepares for a fleet; fails when the shared database's URL cannot be read.
    package init(_ rules: PlacementRules) throws(ConnectionStringError) {
        rule = rules.isolation
        shared = try ConnectionString.parse(rules.databaseURL)
        direct = try rules.directDatabaseURL.map { url throws(ConnectionStringError) in
            try ConnectionString.parse(url)
        }
        func parse(_ url: Secret?) throws(TemplateError) -> DatabaseURLTemplate? {
            try url.map { url throws(TemplateError) in try DatabaseURLTemplate(url) }
        }
        do throws(TemplateError) {
            template = try parse(rules.databaseURLTemplate)
            directTemplate = try parse(rules.directDatabaseURLTemplate)
        } catch {
            throw .badValue(keyword: "template", expected: "\(error)")
        }
        schemaPrefix = rules.schemaPrefix
        cipher = rules.encryptionKey.map { FieldCipher(key: $0) }
    }

    /// Where the tenant lives.
    package func place(_ tenant: Tenant) throws(PlacementError) -> Placement {
        let isolation = try isolation(of: tenant)
        return switch isolation {
        case .schema:
            Placement(
                isolation: isolation,
                target: Target(
                    connection: shared, schema: try schema(of: tenant), direct: direct))
        case .rls:
            Placement(
                isolation: isolation,
                target: Target(connection: shared, schema: nil, direct: direct))
        case .database:
            Placement(
                isolation: isolation,
                target: Target(
                    connection: try database(of: tenant), schema: nil,
                    direct: try directDatabase(of: tenant)))
        }
    }

    /// The way past the pooler to a tenant's own database; a URL in its row says nothing of one.
    private func directDatabase(of tenant: Tenant) throws(PlacementError) -> ConnectionParameters? {
        let hasOwn = tenant.databaseURL.map { !$0.reveal().isEmpty } ?? false
        if hasOwn { return nil }
        guard let directTemplate else { return template == nil ? direct : nil }
        let url = try filled(directTemplate, for: tenant)
        do throws(ConnectionStringError) {
            return try ConnectionString.parse(url)
        } catch {
            throw failure(tenant, .badDatabaseURL(error))
        }
    }

    /// The same as a value.
    package func placing(_ tenant: Tenant) -> Result<Placement, PlacementError> {
        do throws(PlacementError) {
            return .success(try place(tenant))
        } catch {
            return .failure(error)
        }
    }

    /// The tenant's isolation alone.
    package func isolation(of tenant: Tenant) throws(PlacementError) -> Isolation {
        if let isolation = rule.isolation(of: tenant) { return isolation }
        throw failure(tenant, .unknownIsolation(tenant.isolationStrategy ?? ""))
    }

    private func schema(of tenant: Tenant) throws(PlacementError) -> SchemaName {
        let name: String
        if let own = tenant.schemaName, !own.isEmpty {
            name = own
        } else if TenantIdentifier.isValid(tenant.identifier) {
            name = TenantIdentifier.schemaName(tenant.identifier, prefix: schemaPrefix)
        } else {
            throw failure(tenant, .invalidIdentifier)
        }
        do throws(SchemaNameError) {
            return try SchemaName(name)
        } catch {
            throw failure(tenant, .invalidSchema(error))
        }
    }

    private func database(of tenant: Tenant) throws(PlacementError) -> ConnectionParameters {
        let url: Secret
        if let own = tenant.databaseURL, !own.reveal().isEmpty {
            url = try opened(own, of: tenant)
        } else if let template {
            url = try filled(template, for: tenant)
        } else {
            // fastapi-tenancy's answer for hybrid tenants without a template.
            return shared
        }
        do throws(ConnectionStringError) {
            return try ConnectionString.parseAny(url)
        } catch {
            throw failure(tenant, .badDatabaseURL(error))
        }
    }

    private func opened(_ url: Secret, of tenant: Tenant) throws(PlacementError) -> Secret {
        guard FieldCipher.isEncrypted(url) else { return url }
        guard let cipher else { throw failure(tenant, .encryptionKeyMissing) }
        do throws(FieldCipherError) {
            return try cipher.open(url)
        } catch {
            throw failure(tenant, .undecryptableURL)
        }
    }

    private func filled(
        _ template: DatabaseURLTemplate, for tenant: Tenant
    ) throws(PlacementError) -> Secret {
        // The library checks the identifier even where only the id is used.
        guard TenantIdentifier.isValid(tenant.identifier) else {
            throw failure(tenant, .invalidIdentifier)
        }
        let name = TenantIdentifier.databaseName(tenant.identifier)
        guard !template.usesDatabaseName || name.utf8.count <= SchemaName.byteLimit else {
            throw failure(tenant, .databaseNameTooLong)
        }
        guard !template.usesTenantID || Self.isUnreserved(tenant.id) else {
            throw failure(tenant, .unsafeID)
        }
        return template.filled(tenantID: tenant.id, databaseName: name)
    }

    /// RFC 3986 section 2.3: characters that mean only themselves anywhere in a URL.
    private static func isUnreserved(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy {
                $0.isASCIILetter || $0.isASCIIDigit || "-._~".utf8.contains($0)
            }
    }

    private func failure(_ tenant: Tenant, _ reason: PlacementError.Reason) -> PlacementError {
        PlacementError(tenantID: tenant.id, identifier: tenant.identifier, reason: reason)
    }
}
