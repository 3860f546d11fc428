internal import PostgresClient
internal import Support

/// What the daemon wants to know of a registry row.
package enum TenantField: String, Sendable, CaseIterable {
    case id, identifier, name, status, metadata
    case isolationStrategy = "isolation_strategy"
    case databaseURL = "database_url"
    case schemaName = "schema_name"

    /// The column in fastapi-tenancy's `tenants` table.
    package var defaultColumn: String { self == .metadata ? "tenant_metadata" : rawValue }

    /// Whether a registry can do without it.
    package var isOptional: Bool { self != .id && self != .identifier }
}

/// Which column of the registry holds which field.
package struct TenantColumns: Sendable, Equatable {
    /// Fields that the registry has, in a fixed order, with their columns.
    package let columns: [(field: TenantField, column: String)]

    /// The columns of fastapi-tenancy, but for those that the mapping names otherwise; a field
    /// mapped to nil is one that the registry does not have.
    package init(mapping: [TenantField: String?] = [:]) {
        columns = TenantField.allCases.compactMap { field in
            let column = mapping[field] ?? field.defaultColumn
            return column.map { (field, $0) }
        }
    }

    /// The column of a field; nil when the registry does not have it.
    package subscript(field: TenantField) -> String? {
        columns.first { $0.field == field }?.column
    }

    package static func == (lhs: TenantColumns, rhs: TenantColumns) -> Bool {
        lhs.columns.elementsEqual(rhs.columns, by: ==)
    }
}

/// Reads registry rows; pure.
package enum TenantRow {
    /// A row's values as text, in the order of the columns; nil is SQL's null.
    ///
    /// What makes one tenant impossible to place (an unknown strategy, a broken URL) is left for
    /// its placement to report, so that one row is never every tenant's failure. Metadata that is
    /// not a JSON object reads as null, which no filter matches.
    package static func decode(
        _ values: [String?], columns: TenantColumns
    ) throws(RegistryError) -> Tenant {
        precondition(values.count == columns.columns.count, "a row has a value for each column")
        var fields: [TenantField: String] = [:]
        for (column, value) in zip(columns.columns, values) { fields[column.field] = value }
        guard let id = fields[.id] else {
            throw .invalid(reason: "a row has no \(columns[.id] ?? "id")")
        }
        guard let identifier = fields[.identifier] else {
            let column = columns[.identifier] ?? "identifier"
            throw .invalid(reason: "the row with id \(scrub(id, limit: 64)) has no \(column)")
        }
        return Tenant(
            id: id, identifier: identifier, name: fields[.name],
            status: status(fields, columns), isolationStrategy: fields[.isolationStrategy],
            databaseURL: fields[.databaseURL].map { Secret($0) }, schemaName: fields[.schemaName],
            metadata: metadata(fields, columns))
    }

    /// A registry without the column has only active tenants; a null in the column is no status.
    private static func status(
        _ fields: [TenantField: String], _ columns: TenantColumns
    ) -> TenantStatus {
        columns[.status] == nil ? .active : TenantStatus(rawValue: fields[.status] ?? "")
    }

    /// fastapi-tenancy reads null and the empty text as an empty object.
    private static func metadata(
        _ fields: [TenantField: String], _ columns: TenantColumns
    ) -> JSONValue {
        guard let text = fields[.metadata], !text.isEmpty else { return .object([:]) }
        do throws(JSONError) {
            let value = try JSONValue.parse(Array(text.utf8))
            return value.objectValue == nil ? .null : value
        } catch {
            return .null
        }
    }
}
