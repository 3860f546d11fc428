internal import PrivatePostgres

/// The fleet of the demo: a registry as fastapi-tenancy keeps it, and the schemas and databases that
/// its rows speak of.
struct DemoFleet {
    /// Tenants with a schema of their own in the shared database.
    let schemaTenants: Int
    /// Tenants with a database of their own.
    let databaseTenants = 20
    let suspendedTenants = 3
    /// Premium ones get a schema, the others share the database's tables.
    let hybridTenants = 4
    let rlsTenants = 3

    /// The rows of the registry as SQL, with what they need to exist.
    func create(in cluster: PrivateCluster) async throws {
        try await cluster.psql("CREATE DATABASE control; CREATE DATABASE app")
        for number in 1...databaseTenants {
            try await cluster.psql("CREATE DATABASE \(databaseName(number))")
        }
        try await cluster.psql(registry + schemas + rows(in: cluster), database: "app")
    }

    /// The ids of the hybrid tenants that are premium.
    var premiumTenants: [String] { (1...hybridTenants / 2).map { "hybrid-\($0)" } }

    private func databaseName(_ number: Int) -> String { "tenant_big_\(number)" }

    private let registry = """
        CREATE TABLE tenants (
            id varchar(255) PRIMARY KEY,
            identifier varchar(255) NOT NULL UNIQUE,
            name varchar(255) NOT NULL,
            status varchar(50) NOT NULL DEFAULT 'active',
            isolation_strategy varchar(50),
            database_url text,
            schema_name varchar(255),
            tenant_metadata text NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        );

        """

    private var schemas: String {
        let own = (1...schemaTenants).map { "CREATE SCHEMA tenant_shop_\(DemoFleet.padded($0));" }
        let paused = (1...suspendedTenants).map { "CREATE SCHEMA tenant_paused_\($0);" }
        let hybrid = (1...hybridTenants / 2).map { "CREATE SCHEMA tenant_hybrid_\($0);" }
        return (own + paused + hybrid).joined(separator: "\n") + "\n"
    }

    private func rows(in cluster: PrivateCluster) -> String {
        var rows = (1...schemaTenants).map { number in
            let padded = DemoFleet.padded(number)
            let plan = number % 10 == 0 ? "enterprise" : "standard"
            return row("shop-\(padded)", metadata: "{\"plan\": \"\(plan)\"}")
        }
        rows += (1...databaseTenants).map { number in
            row(
                "big-\(number)", strategy: "database",
                url: cluster.url(database: databaseName(number)),
                metadata: "{\"plan\": \"enterprise\"}")
        }
        rows += (1...suspendedTenants).map { row("paused-\($0)", status: "suspended") }
        rows += (1...hybridTenants).map { row("hybrid-\($0)", strategy: "hybrid") }
        rows += (1...rlsTenants).map { row("shared-\($0)", strategy: "rls") }
        return """
            INSERT INTO tenants (id, identifier, name, status, isolation_strategy, database_url,
                tenant_metadata) VALUES
            \(rows.joined(separator: ",\n"));
            """
    }

    private func row(
        _ identifier: String, status: String = "active", strategy: String? = nil,
        url: String? = nil, metadata: String = "{}"
    ) -> String {
        let values = [identifier, identifier, identifier, status, strategy, url, metadata]
        return "(" + values.map { $0.map { "'\($0)'" } ?? "NULL" }.joined(separator: ", ") + ")"
    }

    private static func padded(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
