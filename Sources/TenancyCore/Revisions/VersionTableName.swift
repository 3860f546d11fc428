package import Tenants

/// What the version table is called: Alembic's `version_table` and `version_table_schema`.
package struct VersionTableName: Sendable, Hashable {
    package let name: String
    /// The schema of all tenants' tables; `nil` for each tenant's own.
    package let schema: String?
    /// What stands in the brackets of its CREATE TABLE where env.py describes a table of its own;
    /// `nil` for Alembic's usual one.
    package let columns: String?

    package init(name: String, schema: String? = nil, columns: String? = nil) {
        self.name = name
        self.schema = schema
        self.columns = columns
    }

    package static let standard = VersionTableName(name: "alembic_version")

    /// Whether its rows tell of a target with that schema: those of a table that all schemas of a
    /// database share do not say whose they are.
    package func tells(of target: SchemaName?) -> Bool {
        guard let target, let schema else { return true }
        return schema == target.text
    }
}
