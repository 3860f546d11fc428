internal import PostgresClient
internal import Support

/// A registry that stands in a JSON file: `{"tenants": [{"id": ..., "identifier": ...}, ...]}`.
package struct StaticTenantRegistry: TenantRegistry {
    private let tenants: [Tenant]
    private let rule: IsolationRule

    /// Tenants in any order; ids and identifiers must each be unique.
    package init(tenants: [Tenant], rule: IsolationRule) {
        self.tenants = tenants.sorted { Self.precedes($0.id, $1.id) }
        self.rule = rule
    }

    /// Reads a file's bytes, or reports everything that is wrong with them.
    package static func parse(
        _ bytes: [UInt8], rule: IsolationRule
    ) throws(RegistryError) -> StaticTenantRegistry {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(bytes)
        } catch {
            throw .invalid(reason: "\(error)")
        }
        let tenants: [Tenant]
        do throws(FieldIssues) {
            tenants = try ObjectReader.read(value, readTenants)
        } catch {
            throw .invalid(reason: "\(error)")
        }
        return StaticTenantRegistry(tenants: tenants, rule: rule)
    }

    package func page(
        after id: String?, limit: Int, filter: RegistryFilter
    ) async throws(RegistryError) -> [Tenant] {
        let rest = id.map { id in tenants[firstIndex(after: id)...] } ?? tenants[...]
        return Array(rest.lazy.filter { filter.matches($0, rule: rule) }.prefix(limit))
    }

    package func find(_ idsOrIdentifiers: [String]) async throws(RegistryError) -> [Tenant] {
        let filter = RegistryFilter(ids: Set(idsOrIdentifiers))
        return tenants.filter { filter.matches($0, rule: rule) }
    }

    package func count(_ filter: RegistryFilter) async throws(RegistryError) -> Int {
        tenants.count { filter.matches($0, rule: rule) }
    }

    /// Byte order, which is PostgreSQL's in the collation "C".
    private static func precedes(_ first: String, _ second: String) -> Bool {
        first.utf8.lexicographicallyPrecedes(second.utf8)
    }

    private func firstIndex(after id: String) -> Int {
        var range = tenants.startIndex..<tenants.endIndex
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if Self.precedes(id, tenants[middle].id) {
                range = range.lowerBound..<middle
            } else {
                range = (middle + 1)..<range.upperBound
            }
        }
        return range.lowerBound
    }
}

extension StaticTenantRegistry {
    private static func readTenants(_ reader: inout ObjectReader) -> [Tenant]? {
        let limit = 1_000_000
        let tenants = reader.objects("tenants", .required, count: 0...limit, readTenant)
        guard let tenants else { return nil }
        var ids: Set<String> = []
        var identifiers: Set<String> = []
        for (index, tenant) in tenants.enumerated() {
            if !ids.insert(tenant.id).inserted {
                reader.report("tenants", index: index, "has the id of another tenant")
            }
            if !identifiers.insert(tenant.identifier).inserted {
                reader.report("tenants", index: index, "has the identifier of another tenant")
            }
        }
        return tenants
    }

    private static func readTenant(_ reader: inout ObjectReader) -> Tenant? {
        let id = reader.string("id", .required, length: 1...255)
        let identifier = reader.string("identifier", .required, length: 1...255)
        let name = reader.string("name", .nullable)
        let status = reader.string("status", .optional, length: 1...50)
        let strategy = reader.choice("isolation_strategy", .nullable, of: IsolationStrategy.self)
        let url = reader.string("database_url", .nullable)
        let schema = reader.string("schema_name", .nullable)
        let metadata = reader.members("metadata", .nullable)
        guard let id, let identifier else { return nil }
        return Tenant(
            id: id, identifier: identifier, name: name,
            status: status.map { TenantStatus(rawValue: $0) } ?? .active,
            isolationStrategy: strategy?.rawValue, databaseURL: url.map { Secret($0) },
            schemaName: schema, metadata: .object(metadata ?? [:]))
    }
}
