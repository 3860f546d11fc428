import PrivatePostgres
import TestSupport
import Testing

@testable import Engine
@testable import JobModel
@testable import PostgresClient
@testable import Revisions
@testable import Tenants

/// What an engine does when others are in its way, or its connection is gone.
@Suite(.timeLimit(.minutes(5))) struct SQLEngineTroubleTests {
    // MARK: - The target's lock

    @Test(
        "a target that another session migrates is waited for, and continues from where that left it"
    )
    func waitsForLock() async throws {
        try await EngineRig.with { rig in
            _ = try await rig.apply(task(.upgrade, "r1", threeTables()))
            let other = try await rig.database.connect()
            let key = try rig.target().lockKey
            _ = try await other.execute("BEGIN; SELECT pg_advisory_xact_lock(\(key))")
            async let waiting = rig.apply(task(.upgrade, "head", threeTables()))
            #expect(try await rig.database.shows("query LIKE 'SELECT pg_try_advisory%'"))
            _ = try await other.execute(
                "SET LOCAL search_path TO a; CREATE TABLE t2 (id int);"
                    + "UPDATE alembic_version SET version_num = 'r2'; COMMIT")
            let outcome = try await waiting
            #expect(outcome.state == .succeeded && outcome.toRevisions == ["r3"])
            #expect(outcome.steps <= 2)
            #expect(try await rig.rows() == ["r3"])
            await other.close()
        }
    }

    @Test("a lock that is never given back fails as a matter of time")
    func lockDeadline() async throws {
        try await EngineRig.with { rig in
            let other = try await rig.database.connect()
            let key = try rig.target().lockKey
            _ = try await other.execute("BEGIN; SELECT pg_advisory_xact_lock(\(key))")
            var work = try rig.work()
            let engine = rig.engine(
                task(.upgrade, "head", try threeTables()), targetLockTimeout: .milliseconds(50))
            let outcome = await rig.attempt(&work, by: engine)
            #expect(outcome.failure?.code == .job(.targetLocked))
            #expect(outcome.failure?.isRetryable == true)
            #expect(outcome.steps == 0)
            await other.close()
        }
    }

    @Test("engines over one target apply each step once")
    func contention() async throws {
        try await EngineRig.with(schemas: ["a", "log"]) { rig in
            try await rig.database.psql("CREATE TABLE log.steps (step text)")
            var parents: [String] = []
            let graph = try RevisionGraph(
                (1...6).map { number in
                    defer { parents = ["s\(number)"] }
                    return try revision(
                        "s\(number)", after: parents,
                        up: "INSERT INTO log.steps VALUES ('s\(number)')")
                })
            let outcomes = try await withThrowingTaskGroup { group in
                for _ in 0..<6 {
                    group.addTask {
                        var work = try rig.work()
                        let outcome = await rig.attempt(
                            &work, by: rig.engine(task(.upgrade, "head", graph)))
                        return outcome
                    }
                }
                return try await group.reduce(into: [TargetOutcome]()) { $0.append($1) }
            }
            #expect(outcomes.allSatisfy { $0.state.isSuccess && $0.toRevisions == ["s6"] })
            #expect(outcomes.reduce(0) { $0 + $1.steps } == 6)
            let steps = try await rig.database.psql("SELECT step FROM log.steps ORDER BY 1")
            #expect(steps.split(separator: "\n").count == 6)
        }
    }

    // MARK: - Connections that end

    /// `r2` takes long when it runs for the first time; a sequence remembers beyond the rollback.
    private func slowOnce() throws -> RevisionGraph {
        try RevisionGraph([
            revision("r1", up: "CREATE TABLE t1 ()"),
            revision(
                "r2", after: ["r1"],
                up: """
                    CREATE TABLE t2 ();
                    SELECT pg_sleep(CASE nextval('public.runs') WHEN 1 THEN 30 ELSE 0 END)
                    """),
            revision("r3", after: ["r2"], up: "CREATE TABLE t3 ()"),
        ])
    }

    @Test(
        "a backend that is terminated in mid message is resolved by the rows, and the plan continues"
    )
    func terminated() async throws {
        try await EngineRig.with { rig in
            try await rig.database.psql("CREATE SEQUENCE runs")
            async let attempt = rig.attempt(task(.upgrade, "head", slowOnce()))
            #expect(try await rig.database.sleeps())
            try await rig.database.psql(TestDatabase.terminateSleepers)
            let (outcome, _) = try await attempt
            #expect(outcome.state == .succeeded)
            #expect(outcome.steps == 3 && outcome.toRevisions == ["r3"])
            #expect(try await rig.tables() == ["t1", "t2", "t3"])
        }
    }

    @Test("a message that a lost connection left without effect is for the next attempt")
    func terminatedInVain() async throws {
        try await EngineRig.with { rig in
            try await rig.database.psql("CREATE SEQUENCE runs")
            _ = try await rig.apply(task(.upgrade, "r1", slowOnce()))
            async let attempt = rig.attempt(task(.upgrade, "head", slowOnce()))
            #expect(try await rig.database.sleeps())
            try await rig.database.psql(TestDatabase.terminateSleepers)
            var (outcome, work) = try await attempt
            #expect(outcome.failure?.code == .server(.connectionLost))
            #expect(outcome.failure?.isRetryable == true)
            #expect(outcome.steps == 0 && outcome.toRevisions == ["r1"])
            outcome = await rig.attempt(
                &work, by: rig.engine(task(.upgrade, "head", try slowOnce())))
            #expect(outcome.state == .succeeded && outcome.steps == 2)
            #expect(outcome.fromRevisions == ["r1"] && outcome.toRevisions == ["r3"])
        }
    }

    @Test("a task that is cancelled rolls back the step and tells what was committed before")
    func cancelled() async throws {
        try await EngineRig.with { rig in
            let graph = try RevisionGraph([
                revision("r1", up: "CREATE TABLE t1 ()"),
                revision("r2", after: ["r1"], up: "CREATE TABLE t2 (); SELECT pg_sleep(600)"),
            ])
            let attempt = Task { try await rig.attempt(task(.upgrade, "head", graph)) }
            #expect(try await rig.database.sleeps())
            attempt.cancel()
            let (outcome, _) = try await attempt.value
            #expect(outcome.state == .cancelled)
            #expect(outcome.steps == 1 && outcome.toRevisions == ["r1"])
            #expect(outcome.failure?.code == .job(.cancelled))
            #expect(try await rig.tables() == ["t1"])
        }
    }

    @Test("a task that is cancelled already does nothing")
    func cancelledBefore() async throws {
        try await EngineRig.with { rig in
            let attempt = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await rig.apply(task(.upgrade, "head", threeTables()))
            }
            let outcome = try await attempt.value
            #expect(outcome.state == .cancelled && outcome.steps == 0)
            #expect(try await rig.tables() == [])
        }
    }

    @Test("a server that is not there is a matter of time, a database that is not there is none")
    func unreachable() async throws {
        try await EngineRig.with { rig in
            let nowhere = rig.parameters.setting("port", to: "1")
            let absent = rig.parameters.setting("dbname", to: "no-such")
            for (parameters, state, isRetryable) in [
                (nowhere, "08001", true), (absent, "3D000", false),
            ] {
                var work = TargetWork(
                    target: Target(connection: parameters, schema: nil), tenants: [])
                let outcome = await rig.attempt(
                    &work, by: rig.engine(task(.upgrade, "head", try threeTables())))
                #expect(outcome.failure?.code == .server(.unreachable))
                #expect(outcome.failure?.sqlState == state)
                #expect(outcome.failure?.isRetryable == isRetryable)
                #expect(outcome.toRevisions == nil)
            }
        }
    }

    /// The connection is cut after each number of bytes in turn, so that every message of an upgrade
    /// and of the recovery from it is lost once, on its way there and on its way back.
    @Test(
        "wherever the connection breaks, each step is applied once and the next attempts reach the end",
        arguments: [Cut.Direction.request, .answer])
    func cutAnywhere(direction: Cut.Direction) async throws {
        try await TestCluster.withDatabase { database in
            try await database.psql(
                "CREATE SCHEMA log; CREATE TABLE log.steps (run int, step text)")
            let real = try database.parameters
            let proxy = try CuttingProxy.start(to: Int(database.cluster.port))
            let parameters = real.setting("port", to: "\(proxy.port)")
                .setting("sslmode", to: "disable").setting("gssencmode", to: "disable")
            let slots = ServerSlots(limit: 2)
            var run = 0
            var bytes = 0
            var isCut = true
            while isCut {
                run += 1
                bytes += 40
                let schema = try SchemaName("s\(run)")
                try await database.psql("CREATE SCHEMA s\(run)")
                let graph = try RevisionGraph([
                    revision("r1", up: "INSERT INTO log.steps VALUES (\(run), 'r1')"),
                    revision(
                        "r2", after: ["r1"], up: "INSERT INTO log.steps VALUES (\(run), 'r2')"),
                ])
                let worker = WorkerConnection(
                    slots: slots, connectTimeout: .seconds(10), onNotice: { _ in })
                proxy.cut(Cut(after: bytes, direction: direction))
                let engine = SQLEngine(
                    task: task(.upgrade, "head", graph),
                    options: SQLEngine.Options(
                        session: SessionSettings(
                            lockTimeoutMilliseconds: 1_000, statementTimeoutMilliseconds: 0),
                        scope: .step, targetLockTimeout: .seconds(10)),
                    journal: MemoryJournal())
                var work = TargetWork(
                    target: Target(connection: parameters, schema: schema), tenants: [])
                var outcome = await engine.migrate(&work, by: worker)
                isCut = proxy.didCut
                // What it says must be so, also where it failed; unknown is an answer, too.
                let truth = try await database.psql(
                    "SELECT step FROM log.steps WHERE run = \(run) ORDER BY step DESC LIMIT 1")
                if let claimed = outcome.toRevisions {
                    #expect(claimed == truth.split(separator: "\n").map(String.init), "\(bytes)")
                }
                for _ in 0..<3 where outcome.state == .failed {
                    #expect(outcome.failure?.isRetryable == true, "\(bytes): \(outcome)")
                    outcome = await engine.migrate(&work, by: worker)
                }
                #expect(outcome.state == .succeeded && outcome.steps == 2, "\(bytes): \(outcome)")
                #expect(outcome.toRevisions == ["r2"], "\(bytes)")
                let rows = try await database.psql(
                    "SELECT version_num FROM s\(run).alembic_version")
                #expect(rows.hasPrefix("r2"), "\(bytes)")
                await worker.close()
            }
            let steps = try await database.psql("SELECT count(*) FROM log.steps")
            #expect(Int(steps.filter(\.isNumber)) == run * 2)
            #expect(run > 20)
            #expect(await slots.used(at: parameters.serverKey) == 0)
            #expect(try await eventually { try await database.locks() == 0 })
            proxy.stop()
        }
    }
}

extension EngineRig {
    /// One attempt, and the work as it leaves it.
    func attempt(_ task: TargetTask) async throws -> (TargetOutcome, TargetWork) {
        var work = try work()
        let outcome = await attempt(&work, by: engine(task))
        return (outcome, work)
    }
}
