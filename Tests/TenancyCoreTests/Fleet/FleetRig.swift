import Logging
import TestSupport

@testable import ControlStore
@testable import Engine
@testable import Fleet
@testable import JobModel
@testable import PostgresClient
@testable import Revisions
@testable import Support
@testable import Tenants

/// Tenants `a`, `b`, `c` with a schema each, a control database beside them, and three revisions.
struct FleetRig: Sendable {
    let database: TestDatabase
    let store: ControlDatabase
    let directory: TenantDirectory
    let steps: StepResolver

    static func with(
        tenants: [Tenant]? = nil, _ body: (FleetRig) async throws -> Void
    ) async throws {
        try await TestCluster.withDatabase { database in
            try await database.psql("CREATE SCHEMA t_a; CREATE SCHEMA t_b; CREATE SCHEMA t_c")
            try await database.withStore { store in
                try await body(try await FleetRig(database, store, tenants ?? FleetRig.tenants))
            }
        }
    }

    static let tenants = ["a", "b", "c"].map {
        Tenant(id: $0, identifier: "name-\($0)", schemaName: "t_\($0)")
    }

    private init(
        _ database: TestDatabase, _ store: ControlDatabase, _ tenants: [Tenant]
    ) async throws {
        self.database = database
        self.store = store
        let rule = IsolationRule(
            strategy: .schema, premiumTenants: [], premium: .schema, standard: .schema)
        let resolver = try PlacementResolver(
            PlacementRules(
                isolation: rule, databaseURL: Secret(database.url), schemaPrefix: "t_"))
        let graph = try threeTables()
        let migrations = try await MigrationLibrary(source: "sql") {
            () throws(FolderError) in RevisionSet(graph: graph)
        }
        let connections = TenantConnections(
            WorkerConnections(
                slots: ServerSlots(limit: 4), connectTimeout: .seconds(10), onNotice: { _ in }))
        directory = TenantDirectory(
            registry: StaticTenantRegistry(tenants: tenants, rule: rule), resolver: resolver,
            store: store, migrations: migrations, connections: connections,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        steps = StepResolver(
            store: store, migrations: migrations, connections: connections,
            overridesReadOnly: false)
    }

    func located(_ id: String) async throws -> PlacedTenant? {
        try await directory.locate(id)
    }

    /// Gives a tenant's schema the version rows `rows`.
    func stamp(_ id: String, _ rows: [String]) async throws {
        let values = rows.map { "('\($0)')" }.joined(separator: ", ")
        try await database.psql(
            """
            DROP TABLE IF EXISTS t_\(id).alembic_version;
            CREATE TABLE t_\(id).alembic_version (version_num varchar(32) PRIMARY KEY);
            \(rows.isEmpty ? "" : "INSERT INTO t_\(id).alembic_version VALUES \(values)")
            """)
    }

    /// The version rows of a tenant.
    func rows(_ id: String) async throws -> [String] {
        let text = try await database.psql(
            "SELECT version_num FROM t_\(id).alembic_version ORDER BY 1")
        return text.split(separator: "\n").map(String.init)
    }

    /// Records a job, and how it ended for tenants.
    @discardableResult
    func record(
        _ results: [TenantResult], of request: JobRequest = makeRequest()
    ) async throws -> JobID {
        let job = makeJob(request, state: .running)
        _ = try await store.take(job, key: nil, caller: caller, lease: makeLease())
        _ = try await store.jobTenants.claim(
            results.map { makeClaim($0.tenantID) }, of: request, job: job.id, lease: makeLease())
        try await store.jobTenants.record(
            results, of: request, job: job.id, lease: makeLease())
        return job.id
    }
}
