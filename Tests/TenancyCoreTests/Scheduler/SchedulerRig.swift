import Logging
import PrivatePostgres
import Synchronization
import TestSupport

@testable import ControlStore
@testable import Engine
@testable import JobModel
@testable import PostgresClient
@testable import Revisions
@testable import Scheduler
@testable import Support
@testable import Tenants

/// A fleet in a database of a test's own, with the control tables beside it, and schedulers on both.
///
/// A tenant `t01` has the schema `tenant_t01`. Each migration writes a row of `public.runs` and, after
/// that, waits for whoever holds `public.gate`.
struct SchedulerRig: Sendable {
    /// What one migration leaves: who, whether the control tables knew of it, from when to when.
    private static let tables = """
        CREATE TABLE public.tenants (id text COLLATE "C" PRIMARY KEY, identifier text NOT NULL,
            status text NOT NULL DEFAULT 'active', isolation_strategy text);
        CREATE TABLE public.runs (tenant text, was_claimed boolean, started timestamptz,
            ended timestamptz);
        CREATE TABLE public.gate ();
        """

    private static func migration(sleep: Double) -> String {
        """
        INSERT INTO public.runs SELECT current_schema(), EXISTS (
            SELECT FROM migrationd.job_tenants WHERE 'tenant_' || identifier = current_schema()),
            clock_timestamp();
        LOCK TABLE public.gate IN ACCESS SHARE MODE;
        SELECT pg_sleep(\(sleep));
        UPDATE public.runs SET ended = clock_timestamp() WHERE tenant = current_schema();
        CREATE TABLE t1 (id int)
        """
    }

    let database: TestDatabase
    let registry: HookedRegistry
    let resolver: PlacementResolver
    let migrations: MigrationLibrary
    private let schedulers = Schedulers()

    /// Runs `body` with a fleet of those tenants, and ends every scheduler that it has made.
    static func with(
        tenants: [String] = (1...5).map { "t0\($0)" }, strategy: IsolationStrategy = .schema,
        sleep: Double = 0.02,
        _ body: (SchedulerRig) async throws -> Void
    ) async throws {
        try await TestCluster.withDatabase { database in
            try await database.psql(tables)
            let pool = ConnectionPool(
                try database.parameters, limit: 4, connectTimeout: .seconds(10))
            let control = ControlDatabase(pool: pool, schema: try SchemaName("migrationd"))
            _ = try await control.prepare()
            let set = RevisionSet(
                graph: try RevisionGraph([
                    revision("r1", up: migration(sleep: sleep), down: "DROP TABLE t1")
                ]))
            let rule = IsolationRule(
                strategy: strategy, premiumTenants: [], premium: .database, standard: .schema)
            let rig = SchedulerRig(
                database: database,
                registry: HookedRegistry(
                    PostgresTenantRegistry(
                        pool: pool, table: .table(schema: "public", name: "tenants"),
                        columns: TenantColumns(mapping: [
                            .name: nil, .databaseURL: nil, .schemaName: nil, .metadata: nil,
                        ]), rule: rule)),
                resolver: try PlacementResolver(
                    PlacementRules(
                        isolation: rule, databaseURL: Secret(database.url),
                        schemaPrefix: "tenant_")),
                migrations: try await MigrationLibrary(source: "sql") { set })
            do {
                try await rig.add(tenants)
                try await body(rig)
            } catch {
                await rig.schedulers.end()
                throw error
            }
            await rig.schedulers.end()
            await pool.close()
        }
    }

    /// Adds tenants, each with an empty schema.
    func add(_ tenants: [String]) async throws {
        let sql = tenants.map {
            "CREATE SCHEMA \"tenant_\($0)\"; INSERT INTO public.tenants VALUES ('\($0)', '\($0)');"
        }
        try await database.psql(sql.joined())
    }

    // MARK: - Schedulers

    /// A scheduler that reaches the control database by a way of its own, which a test can block.
    func makeScheduler(
        _ number: Int = 1, maxRunningJobs: Int = 4, maxQueuedJobs: Int = 10,
        leaseDuration: Duration = .seconds(15), isStarted: Bool = true
    ) async throws -> Member {
        let proxy = try CuttingProxy.start(to: Int(database.cluster.port))
        let url = database.url.replacing(
            ":\(database.cluster.port)/", with: ":\(proxy.port)/")
        let control = try ConnectionString.parse(Secret(url))
        let pool = ConnectionPool(control, limit: 4, connectTimeout: .seconds(2))
        let metrics = Metrics()
        let store = ControlDatabase(
            pool: pool, schema: try SchemaName("migrationd"), metrics: metrics)
        let (replicas, logger) = (
            Replicas(), Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        let slots = ServerSlots(limit: 20)
        let executor = JobExecutor(
            registry: registry, resolver: resolver, store: store, migrations: migrations,
            connections: WorkerConnections(
                slots: slots, connectTimeout: .seconds(10), onNotice: { _ in }),
            settings: MigrationSettings(scope: .step, targetLockTimeout: .seconds(60)),
            replicas: replicas, metrics: metrics, logger: logger)
        let scheduler = JobScheduler(
            settings: SchedulerSettings(
                maxRunningJobs: maxRunningJobs, maxQueuedJobs: maxQueuedJobs,
                leaseDuration: leaseDuration),
            replica: makeLease(replica: number).replica, executor: executor, store: store,
            registry: registry, migrations: migrations, replicas: replicas,
            channel: Notifier(control, connectTimeout: .seconds(2), logger: logger),
            slots: slots, metrics: metrics, logger: logger)
        let member = Member(scheduler: scheduler, proxy: proxy, pool: pool, store: store)
        schedulers.add(member)
        if isStarted { await scheduler.start() }
        return member
    }

    /// Two schedulers that know of each other.
    func makePair(leaseDuration: Duration = .seconds(15)) async throws -> (Member, Member) {
        let first = try await makeScheduler(1, leaseDuration: leaseDuration)
        let second = try await makeScheduler(2, leaseDuration: leaseDuration)
        // Whoever comes is heard of with the next heartbeat, which need not be waited for.
        for member in [first, second] {
            _ = try await eventually {
                await member.scheduler.signals.leases.notify()
                return await !member.scheduler.otherReplicas.isEmpty
            }
        }
        return (first, second)
    }

    // MARK: - What there is

    /// Holds the gate that every migration goes through while `body` runs.
    func withClosedGate(_ body: () async throws -> Void) async throws {
        let session = try await database.connect()
        _ = try await session.execute(
            "BEGIN; LOCK TABLE public.gate", deadline: .after(.seconds(9)))
        do {
            try await body()
        } catch {
            await session.close()
            throw error
        }
        _ = try await session.execute("COMMIT", deadline: .after(.seconds(9)))
        await session.close()
    }

    /// Waits until so many migrations wait for the gate.
    func waitAtGate(_ count: Int) async throws -> Bool {
        try await eventually(within: .seconds(10)) { try await waitingAtGate() == count }
    }

    func waitingAtGate() async throws -> Int {
        try await number(
            "SELECT count(*) FROM pg_locks WHERE relation = 'public.gate'::regclass AND NOT granted"
        )
    }

    func number(_ sql: String) async throws -> Int {
        Int(try await database.psql(sql).filter { !$0.isWhitespace }) ?? -1
    }

    func lines(_ sql: String) async throws -> [String] {
        try await database.psql(sql).split(separator: "\n").map(String.init)
    }

    /// The tenants whose schema was migrated, each as often as it was.
    func migrated() async throws -> [String] {
        try await lines("SELECT substr(tenant, 8) FROM public.runs ORDER BY 1")
    }

    /// The tenants of a job as the tables have them, in the order of their results.
    func recorded(_ id: JobID) async throws -> [String] {
        try await lines(
            """
            SELECT tenant_id || ' ' || state FROM migrationd.job_tenants
            WHERE job_id = '\(id)' ORDER BY event, tenant_id
            """)
    }
}

/// A scheduler of a test with its way to the control database.
struct Member: Sendable {
    let scheduler: JobScheduler
    let proxy: CuttingProxy
    let pool: ConnectionPool
    let store: ControlDatabase

    func submit(_ request: JobRequest) async throws -> JobID {
        try await scheduler.submit(request, caller: caller).job.id
    }

    /// The job once it has ended, or as it is when that takes too long.
    func end(of id: JobID) async throws -> JobSnapshot? {
        try await scheduler.wait(id, version: nil, timeout: .seconds(20))
    }

    func counts(of id: JobID) async throws -> JobCounts {
        try await scheduler.snapshot(id)?.counts ?? JobCounts()
    }
}

/// Those that a test has made.
private final class Schedulers: Sendable {
    private let members = Mutex<[Member]>([])

    func add(_ member: Member) {
        members.withLock { $0.append(member) }
    }

    func end() async {
        for member in members.withLock({ $0 }) {
            member.proxy.unblock()
            await member.scheduler.drain(timeout: .zero)
            await member.pool.close()
            member.proxy.stop()
        }
    }
}

/// A registry in PostgreSQL that tells a test of each page before it is read.
final class HookedRegistry: TenantRegistry {
    typealias Hook = @Sendable (_ cursor: String?) async -> Void

    private let registry: PostgresTenantRegistry
    private let hook = Mutex<Hook?>(nil)

    init(_ registry: PostgresTenantRegistry) {
        self.registry = registry
    }

    func beforePage(_ hook: @escaping Hook) {
        self.hook.withLock { $0 = hook }
    }

    func page(
        after id: String?, limit: Int, filter: RegistryFilter
    ) async throws(RegistryError) -> [Tenant] {
        await hook.withLock { $0 }?(id)
        return try await registry.page(after: id, limit: limit, filter: filter)
    }

    func find(_ idsOrIdentifiers: [String]) async throws(RegistryError) -> [Tenant] {
        try await registry.find(idsOrIdentifiers)
    }

    func count(_ filter: RegistryFilter) async throws(RegistryError) -> Int {
        try await registry.count(filter)
    }
}
