import TestSupport
import Testing

@testable import ControlStore
@testable import JobModel
@testable import PostgresClient
@testable import Tenants

@Suite(.timeLimit(.minutes(5))) struct ControlSchemaTests {
    @Test("the tables are made once, and a later release's are left as they are")
    func prepare() async throws {
        try await TestCluster.withDatabase { database in
            try await database.withStore(prepared: false) { store in
                await #expect(throws: StatusError.self) { try await store.ping() }
                #expect(try await store.prepare() == ControlSchema.steps.count)
                #expect(try await store.prepare() == 0)
                try await store.ping()
                try await database.psql(
                    """
                    UPDATE migrationd.schema_version SET version = 99;
                    ALTER TABLE migrationd.jobs ADD COLUMN later text NOT NULL DEFAULT 'x';
                    """)
                #expect(try await store.prepare() == 0)
                // A table of the next release still takes this release's rows.
                let job = makeJob(makeRequest())
                let insertion = try await store.take(
                    job, key: nil, caller: caller, lease: makeLease())
                #expect(insertion == .inserted)
                #expect(try await store.jobs.find(job.id) == job)
            }
        }
    }

    @Test("daemons that start together make the tables once")
    func concurrently() async throws {
        try await TestCluster.withDatabase { database in
            // Also where the role's transactions see only what was there when they began.
            try await database.psql(
                "ALTER DATABASE \(database.name) SET default_transaction_isolation = serializable")
            let steps = try await withThrowingTaskGroup { group in
                for _ in 0..<6 {
                    group.addTask {
                        try await database.withStore(prepared: false) { try await $0.prepare() }
                    }
                }
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
            #expect(steps.sorted() == [0, 0, 0, 0, 0, ControlSchema.steps.count])
        }
    }

    @Test("a role without the right to create says so, and one with the schema needs it no more")
    func rights() async throws {
        try await TestCluster.withDatabase { database in
            let role = "role_\(database.name)"
            try await database.psql("CREATE ROLE \(role) LOGIN")
            let pool = ConnectionPool(
                try database.parameters.setting("user", to: role), limit: 1,
                connectTimeout: .seconds(10))
            let store = ControlDatabase(pool: pool, schema: try SchemaName("migrationd"))
            let error = await #expect(throws: StatusError.self) { _ = try await store.prepare() }
            #expect(error?.sqlState == SQLState.insufficientPrivilege)
            #expect(error?.isTemporary == false)
            try await database.psql("CREATE SCHEMA migrationd AUTHORIZATION \(role)")
            #expect(try await store.prepare() == ControlSchema.steps.count)
            await pool.close()
            try await database.psql("DROP OWNED BY \(role); DROP ROLE \(role)")
        }
    }
}
