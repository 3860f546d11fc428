import PrivatePostgres
import TestSupport
import Testing

@testable import Engine
@testable import JobModel
@testable import PostgresClient
@testable import Revisions
@testable import Tenants

@Suite(.timeLimit(.minutes(5))) struct SQLEngineTests {
    @Test("a fresh target comes to the head, step by step", arguments: TransactionScope.allCases)
    func fresh(scope: TransactionScope) async throws {
        try await EngineRig.with { rig in
            let outcome = try await rig.apply(
                task(.upgrade, "head", threeTables()), scope: scope)
            #expect(
                outcome
                    == TargetOutcome(
                        state: .succeeded, fromRevisions: [], toRevisions: ["r3"], steps: 3))
            #expect(try await rig.rows() == ["r3"])
            #expect(try await rig.tables() == ["t1", "t2", "t3"])
        }
    }

    @Test("a target at the head is left alone, and one half way continues from there")
    func known() async throws {
        try await EngineRig.with { rig in
            _ = try await rig.apply(task(.upgrade, "r2", threeTables()))
            let rest = try await rig.apply(
                task(.upgrade, "head", threeTables()), knowing: .rows(["r2"]))
            #expect(rest.steps == 1 && rest.fromRevisions == ["r2"])
            let head = try await rig.apply(task(.upgrade, "head", threeTables()))
            #expect(head.state == .skipped && head.toRevisions == ["r3"])
        }
    }

    @Test("steps before one that the server cannot read stay, and the error says where it is")
    func unreadable() async throws {
        let graph = try RevisionGraph([
            revision("r1", up: "CREATE TABLE t1 (id int)"),
            revision("r2", after: ["r1"], up: "CREATE TABLE t2 (id int)"),
            revision(
                "r3", after: ["r2"],
                up: "CREATE TABLE t3 (id int);\n\nCREATE TABLE t4 (\n    id int,,\n    n int)"),
            revision("r4", after: ["r3"], up: "CREATE TABLE t5 (id int)"),
        ])
        try await EngineRig.with { rig in
            let outcome = try await rig.apply(task(.upgrade, "head", graph))
            #expect(outcome.state == .failed && outcome.steps == 2)
            #expect(outcome.toRevisions == ["r2"])
            #expect(try await rig.tables() == ["t1", "t2"])
            #expect(outcome.failure?.sqlState == "42601")
            #expect(outcome.failure?.revision == "r3")
            #expect(outcome.failure?.file == "r3.sql" && outcome.failure?.line == 4)
            #expect(outcome.failure?.statement?.hasPrefix("CREATE TABLE t4") == true)
        }
        try await EngineRig.with { rig in
            let outcome = try await rig.apply(task(.upgrade, "head", graph), scope: .target)
            #expect(outcome.steps == 0 && outcome.toRevisions == [])
            #expect(outcome.failure?.revision == "r3" && outcome.failure?.line == 4)
        }
    }

    @Test("a character that the database's encoding lacks names its revision")
    func untranslatable() async throws {
        try await TestCluster.withDatabase { database in
            try await database.cluster.psql(
                "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
            let graph = try RevisionGraph([
                revision("r1", up: "CREATE TABLE t1 (id int)"),
                revision("r2", after: ["r1"], up: "COMMENT ON TABLE t1 IS '\u{20AC}'"),
            ])
            let rig = EngineRig(
                database: database, slots: ServerSlots(limit: 1),
                parameters: try database.parameters.setting("dbname", to: "latin"))
            let outcome = try await rig.apply(task(.upgrade, "head", graph), to: nil)
            #expect(outcome.toRevisions == ["r1"] && outcome.steps == 1)
            #expect(outcome.failure?.sqlState == "22P05")
            #expect(outcome.failure?.revision == "r2" && outcome.failure?.file == "r2.sql")
            try await database.cluster.psql("DROP DATABASE latin WITH (FORCE)")
        }
    }

    @Test("a statement of a step outside of transactions that the server cannot read is named")
    func unreadableUnit() async throws {
        let graph = try RevisionGraph([
            revision("r1", up: "CREATE TABLE t1 (id int)"),
            loose("r2", after: ["r1"], up: "CREATE TABLE t2 (id int);\nCREATE TABL t3 (id int)"),
        ])
        try await EngineRig.with { rig in
            let outcome = try await rig.apply(task(.upgrade, "head", graph))
            #expect(outcome.toRevisions == ["r1"])
            #expect(outcome.failure?.revision == "r2" && outcome.failure?.line == 2)
            #expect(try await rig.tables() == ["t1", "t2"])
        }
    }

    @Test("a database without schemas keeps its rows where Alembic would")
    func database() async throws {
        try await EngineRig.with(schemas: []) { rig in
            let outcome = try await rig.apply(task(.upgrade, "head", threeTables()), to: nil)
            #expect(outcome.state == .succeeded)
            #expect(try await rig.rows("public") == ["r3"])
            #expect(try await rig.tables("public") == ["t1", "t2", "t3"])
            let down = try await rig.apply(task(.downgrade, "base", threeTables()), to: nil)
            #expect(down.state == .succeeded && down.toRevisions == [])
            #expect(try await rig.tables("public") == [])
        }
    }

    @Test("a missing schema is created where that is allowed, else it is the failure")
    func missingSchema() async throws {
        try await EngineRig.with(schemas: []) { rig in
            let refused = try await rig.apply(task(.upgrade, "head", threeTables()))
            #expect(refused.failure?.code == .target(.schemaMissing))
            let allowed = try await rig.apply(
                task(.upgrade, "head", threeTables(), createMissingSchemas: true))
            #expect(allowed.state == .succeeded)
            #expect(try await rig.tables() == ["t1", "t2", "t3"])
        }
    }

    @Test("branches, several heads and a merge leave the rows that Alembic would")
    func branches() async throws {
        try await EngineRig.with { rig in
            let graph = try RevisionGraph([
                revision("a", up: "CREATE TABLE a ()", down: "DROP TABLE a"),
                revision("b", after: ["a"], up: "CREATE TABLE b ()", down: "DROP TABLE b"),
                revision("c", after: ["a"], up: "CREATE TABLE c ()", down: "DROP TABLE c"),
                revision("m", after: ["b", "c"], up: "CREATE TABLE m ()", down: "DROP TABLE m"),
            ])
            _ = try await rig.apply(task(.upgrade, "b", graph))
            _ = try await rig.apply(task(.upgrade, "c", graph))
            #expect(try await rig.rows() == ["b", "c"])
            let merged = try await rig.apply(task(.upgrade, "heads", graph))
            #expect(merged.toRevisions == ["m"] && merged.steps == 1)
            #expect(try await rig.rows() == ["m"])
            let apart = try await rig.apply(task(.downgrade, "b", graph))
            #expect(apart.toRevisions == ["b", "c"])
            #expect(try await rig.rows() == ["b", "c"])
        }
    }

    @Test("a stamp moves the rows and runs nothing")
    func stamp() async throws {
        try await EngineRig.with { rig in
            let outcome = try await rig.apply(task(.stamp, "r2", threeTables()))
            #expect(outcome.state == .succeeded && outcome.toRevisions == ["r2"])
            #expect(try await rig.rows() == ["r2"])
            #expect(try await rig.tables() == [])
        }
    }

    @Test("a dry run and a check change nothing")
    func looking() async throws {
        try await EngineRig.with { rig in
            let plan = try await rig.apply(task(.upgrade, "head", threeTables(), dryRun: .plan))
            #expect(plan.plannedRevisions == ["r1", "r2", "r3"])
            let check = try await rig.apply(task(.check, "heads", threeTables()))
            #expect(check.state == .succeeded && check.toRevisions == [])
            var resumed = try rig.work()
            // As a daemon finds it that resumes a dry run over a tenant that moved meanwhile.
            _ = try await rig.apply(task(.upgrade, "r1", threeTables()))
            resumed.plannedFrom = []
            let again = await rig.attempt(
                &resumed, by: rig.engine(task(.upgrade, "head", try threeTables(), dryRun: .plan)))
            #expect(again.plannedRevisions == ["r2", "r3"])
            #expect(try await rig.tables() == ["t1"])
        }
    }

    @Test(
        "nothing that a schema is called leads out of it", arguments: ["a-b", "A.b", "select", "$"])
    func names(schema: String) async throws {
        try await EngineRig.with(schemas: [schema, "other"]) { rig in
            let outcome = try await rig.apply(task(.upgrade, "head", threeTables()), to: schema)
            #expect(outcome.state == .succeeded)
            #expect(try await rig.tables(schema) == ["t1", "t2", "t3"])
            #expect(try await rig.tables("other") == [])
            #expect(try await rig.tables("public") == [])
        }
    }

    // MARK: - Rows that move

    @Test("rows that somebody moved since they were read are planned from anew")
    func movedBefore() async throws {
        try await EngineRig.with { rig in
            _ = try await rig.apply(task(.upgrade, "r2", threeTables()))
            for stale in [VersionState.missingSchema, .noTable, .rows([]), .rows(["r1"])] {
                let upgrade = task(
                    .upgrade, "head", try threeTables(), createMissingSchemas: true)
                let outcome = try await rig.apply(upgrade, knowing: stale)
                #expect(outcome.state == .succeeded, "\(stale)")
                #expect(try await rig.rows() == ["r3"])
                _ = try await rig.apply(task(.downgrade, "r2", threeTables()))
            }
        }
    }

    @Test("rows that somebody moved to the target leave nothing to do")
    func movedToTheEnd() async throws {
        try await EngineRig.with { rig in
            _ = try await rig.apply(task(.upgrade, "head", threeTables()))
            let outcome = try await rig.apply(
                task(.upgrade, "head", threeTables()), knowing: .rows(["r2"]))
            #expect(outcome.toRevisions == ["r3"])
            #expect(outcome.steps == 0 && outcome.state == .skipped)
        }
    }

    @Test("rows that somebody moves in the middle of the plan are nobody's to guess")
    func diverged() async throws {
        try await EngineRig.with { rig in
            let graph = try RevisionGraph([
                revision("r1", up: "CREATE TABLE t1 ()"),
                revision("r2", after: ["r1"], up: "SELECT 1 / 0"),
                revision("r3", after: ["r2"]),
            ])
            var work = try rig.work()
            let engine = rig.engine(task(.upgrade, "head", graph))
            let first = await rig.attempt(&work, by: engine)
            #expect(first.steps == 1 && first.toRevisions == ["r1"])
            try await rig.database.psql("UPDATE a.alembic_version SET version_num = 'elsewhere'")
            let second = await rig.attempt(&work, by: engine)
            #expect(second.failure?.code == .job(.versionRowsChanged))
            #expect(try await rig.rows() == ["elsewhere"])
        }
    }

    // MARK: - Failures

    @Test("a failing statement is named with its revision, file, line and code")
    func failingStatement() async throws {
        try await EngineRig.with { rig in
            let graph = try RevisionGraph([
                revision("r1", up: "CREATE TABLE t1 ()"),
                revision(
                    "r2", after: ["r1"],
                    up: "CREATE TABLE t2 ();\n\n-- é\u{1F600}\nINSERT INTO t2\nSELECT\n  nosuch"),
            ])
            let outcome = try await rig.apply(task(.upgrade, "head", graph))
            #expect(outcome.state == .failed)
            #expect(outcome.fromRevisions == [] && outcome.toRevisions == ["r1"])
            #expect(outcome.steps == 1)
            let failure = try #require(outcome.failure)
            #expect(failure.sqlState == "42703")
            #expect(failure.revision == "r2" && failure.file == "r2.sql")
            #expect(failure.line == 6)
            #expect(failure.statement?.hasPrefix("INSERT INTO t2") == true)
            #expect(!failure.isRetryable)
            #expect(try await rig.rows() == ["r1"])
            #expect(try await rig.tables() == ["t1"])
        }
    }

    @Test("in one transaction a failing step takes the ones before it along")
    func failingTarget() async throws {
        try await EngineRig.with { rig in
            let graph = try RevisionGraph([
                revision("r1", up: "CREATE TABLE t1 ()"),
                revision("r2", after: ["r1"], up: "SELECT 1 / 0"),
            ])
            let outcome = try await rig.apply(task(.upgrade, "head", graph), scope: .target)
            #expect(outcome.steps == 0 && outcome.toRevisions == [])
            #expect(outcome.failure?.revision == "r2")
            #expect(try await rig.tables() == [])
        }
    }

    @Test("a COMMIT that fails names the revision and leaves nothing behind")
    func failingCommit() async throws {
        try await EngineRig.with { rig in
            let graph = try RevisionGraph([
                revision("r1", up: "CREATE TABLE t1 (id int PRIMARY KEY)"),
                revision(
                    "r2", after: ["r1"],
                    up: """
                        CREATE TABLE t2 (t int REFERENCES t1 DEFERRABLE INITIALLY DEFERRED);
                        INSERT INTO t2 VALUES (7)
                        """),
            ])
            let outcome = try await rig.apply(task(.upgrade, "head", graph))
            #expect(outcome.failure?.sqlState == "23503")
            #expect(outcome.failure?.revision == "r2" && outcome.failure?.file == "r2.sql")
            #expect(outcome.steps == 1 && outcome.toRevisions == ["r1"])
            #expect(try await rig.tables() == ["t1"])
        }
    }

    @Test("a version row that cannot be written fails at once and says whose it is")
    func failingVersionRow() async throws {
        try await EngineRig.with { rig in
            let long = String(repeating: "x", count: 33)
            let graph = try RevisionGraph([revision(long, up: "CREATE TABLE t1 ()")])
            let outcome = try await rig.apply(task(.upgrade, "head", graph))
            #expect(outcome.failure?.sqlState == "22001")
            #expect(outcome.failure?.revision == long)
            #expect(try await rig.tables() == [])
            // A row that stands there twice is two rows where one is to be moved.
            try await rig.database.psql(
                "CREATE TABLE a.alembic_version (version_num text);"
                    + "INSERT INTO a.alembic_version VALUES ('r1'), ('r1')")
            let twice = try await rig.apply(task(.upgrade, "head", threeTables()))
            #expect(twice.state == .failed)
            #expect(try await rig.rows() == ["r1", "r1"])
        }
    }

    @Test("a version table that may not be created is no matter of trying again")
    func insufficientRights() async throws {
        try await EngineRig.with { rig in
            let role = "role_\(rig.database.name)"
            try await rig.database.psql(
                "CREATE ROLE \(role) LOGIN; GRANT USAGE ON SCHEMA a TO \(role)")
            let target = Target(
                connection: rig.parameters.setting("user", to: role), schema: try SchemaName("a"))
            var work = TargetWork(target: target, tenants: [])
            let outcome = await rig.attempt(
                &work, by: rig.engine(task(.upgrade, "head", try threeTables())))
            #expect(outcome.failure?.code == .statement(.permissionDenied))
            try await rig.database.psql("DROP OWNED BY \(role); DROP ROLE \(role)")
        }
    }

    @Test("a table that is held fails as a matter of time, and the next attempt succeeds")
    func lockTimeout() async throws {
        try await EngineRig.with { rig in
            _ = try await rig.apply(task(.upgrade, "r1", threeTables()))
            let graph = try RevisionGraph([
                revision("r1"), revision("r2", after: ["r1"], up: "CREATE TABLE t2 ()"),
                revision("r3", after: ["r2"], up: "ALTER TABLE t1 ADD COLUMN b int"),
            ])
            let holder = try await rig.database.connect()
            _ = try await holder.execute("BEGIN; SELECT * FROM a.t1")
            var work = try rig.work()
            let engine = rig.engine(task(.upgrade, "head", graph), lockTimeout: 50)
            let first = await rig.attempt(&work, by: engine)
            #expect(
                first.failure?.code == .statement(.lockTimeout)
                    && first.failure?.isRetryable == true)
            #expect(first.steps == 1 && first.toRevisions == ["r2"])
            await holder.close()
            let second = await rig.attempt(&work, by: engine)
            #expect(second.state == .succeeded && second.steps == 2)
            #expect(second.fromRevisions == ["r1"])
        }
    }

    // MARK: - Relative targets

    @Test("a relative target counts from where the job found the tenant, over every attempt")
    func relative() async throws {
        try await EngineRig.with { rig in
            _ = try await rig.apply(task(.upgrade, "head", threeTables()))
            let engine = rig.engine(task(.downgrade, "-1", try threeTables()))
            var work = try rig.work()
            let first = await rig.attempt(&work, by: engine)
            #expect(first.toRevisions == ["r2"] && work.plannedFrom == ["r3"])
            // Another attempt, as after a lost answer.
            let second = await rig.attempt(&work, by: engine)
            #expect(second.toRevisions == ["r2"] && second.steps == 1)
            // Another daemon, which has only what was noted.
            var other = try rig.work()
            other.plannedFrom = ["r3"]
            let third = await rig.attempt(&other, by: engine)
            #expect(third.state == .succeeded && third.toRevisions == ["r2"])
            #expect(try await rig.rows() == ["r2"])
        }
    }

    @Test("nothing is done before the start of a relative target is noted")
    func noteStart() async throws {
        try await EngineRig.with { rig in
            _ = try await rig.apply(task(.upgrade, "head", threeTables()))
            let refusing = rig.engine(task(.downgrade, "-1", try threeTables())) {
                (_, rows) async throws(TenantFailure) in
                throw TenantFailure(
                    code: .unrecognized("noted_\(rows)"), message: "", isRetryable: true)
            }
            var work = try rig.work()
            let outcome = await rig.attempt(&work, by: refusing)
            #expect(outcome.failure?.code == .unrecognized("noted_[\"r3\"]"))
            #expect(work.plannedFrom == nil)
            #expect(try await rig.rows() == ["r3"])
            // An absolute target has no use for it, nor one that is noted already.
            var absolute = try rig.work()
            let engine = rig.engine(
                task(.downgrade, "r2", try threeTables()), noteStart: refusing.noteStart)
            #expect(await rig.attempt(&absolute, by: engine).state == .succeeded)
            var noted = try rig.work(knowing: .rows(["r2"]))
            noted.plannedFrom = ["r2"]
            #expect(await rig.attempt(&noted, by: refusing).toRevisions == ["r1"])
        }
    }
}
