package import PostgresClient
internal import Support
package import Tenants

/// Where a fleet's tenants live, which the databases that a project goes to are held against.
package enum TenantHome: Sendable, Equatable {
    /// Each has a database of its own.
    case ownDatabases
    /// Schemas or rows of one database.
    case shared(host: String, port: Int, database: String)

    /// Of the tenants that `connection` leads to; nil where that is no PostgreSQL.
    package init?(_ strategy: IsolationStrategy, _ connection: ConnectionParameters) {
        if strategy == .database {
            self = .ownDatabases
            return
        }
        guard connection.isPostgres else { return nil }
        self = .shared(
            host: connection["host"] ?? connection["hostaddr"] ?? "",
            port: connection["port"].flatMap { Int($0) } ?? 5432, database: connection.database)
    }

    /// As the exporter is told of it.
    var json: JSONValue {
        switch self {
        case .ownDatabases: ["host": nil, "port": nil, "database": nil]
        case .shared(let host, let port, let database):
            [
                "host": host.isEmpty ? nil : .string(host), "port": JSONValue(port),
                "database": .string(database),
            ]
        }
    }
}
