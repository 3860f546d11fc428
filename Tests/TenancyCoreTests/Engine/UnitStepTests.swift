import PrivatePostgres
import TestSupport
import Testing

@testable import Engine
@testable import JobModel
@testable import PostgresClient
@testable import Revisions

/// Steps whose statements cannot commit together with their version row.
@Suite(.timeLimit(.minutes(5))) struct UnitStepTests {
    /// A table, an index built beside the application, and a column.
    private func indexed() throws -> RevisionGraph {
        try RevisionGraph([
            revision(
                "r1", up: "CREATE TABLE t (id int, x int); INSERT INTO t SELECT 1, 1",
                down: "DROP TABLE t"),
            loose(
                "r2", after: ["r1"],
                up: "INSERT INTO t VALUES (2, 2); CREATE INDEX CONCURRENTLY i ON t (x); "
                    + "INSERT INTO t VALUES (3, 3)",
                down: "DROP INDEX CONCURRENTLY i; DELETE FROM t WHERE id > 1"),
            revision("r3", after: ["r2"], up: "ALTER TABLE t ADD y int", down: "SELECT 1"),
        ])
    }

    private func indexes(_ rig: EngineRig) async throws -> String {
        try await rig.database.psql(
            "SELECT string_agg(indexrelid::regclass || ':' || indisvalid, ' ') FROM pg_index "
                + "WHERE indrelid = 'a.t'::regclass"
        ).filter { $0 != "\n" }
    }

    private func ids(_ rig: EngineRig) async throws -> String {
        try await rig.database.psql("SELECT string_agg(id::text, ',' ORDER BY id) FROM a.t")
            .filter { $0 != "\n" }
    }

    @Test("steps of both kinds lead up and down", arguments: TransactionScope.allCases)
    func upAndDown(scope: TransactionScope) async throws {
        try await EngineRig.with { rig in
            let up = try await rig.apply(task(.upgrade, "head", indexed()), scope: scope)
            #expect(up.state == .succeeded && up.toRevisions == ["r3"] && up.steps == 3)
            #expect(try await rig.rows() == ["r3"])
            #expect(try await indexes(rig) == "a.i:true")
            #expect(try await ids(rig) == "1,2,3")
            #expect(rig.journal.steps.isEmpty && rig.journal.builder == nil)
            let down = try await rig.apply(task(.downgrade, "r1", indexed()), scope: scope)
            #expect(down.state == .succeeded && down.toRevisions == ["r1"] && down.steps == 2)
            #expect(try await indexes(rig) == "")
            #expect(try await ids(rig) == "1")
            #expect(rig.journal.steps.isEmpty)
        }
    }

    @Test("a database without schemas, and a script that begins with the index")
    func database() async throws {
        try await EngineRig.with(schemas: []) { rig in
            let graph = try RevisionGraph([
                loose("r1", up: "CREATE TABLE t (x int); CREATE INDEX CONCURRENTLY i ON t (x)")
            ])
            let outcome = try await rig.apply(task(.upgrade, "head", graph), to: nil)
            #expect(outcome.state == .succeeded)
            #expect(try await rig.rows("public") == ["r1"])
        }
    }

    @Test("wherever the journal breaks off, the next attempt resumes and runs nothing twice")
    func broken() async throws {
        var write = 1
        while true {
            let isWhole = try await EngineRig.with { rig in
                _ = try await rig.apply(task(.upgrade, "r1", indexed()))
                rig.journal.fail(atWrite: write)
                let first = try await rig.apply(task(.upgrade, "head", indexed()))
                if first.state == .succeeded { return true }
                #expect(first.failure?.code == .job(.controlDatabaseUnavailable))
                #expect(first.failure?.isRetryable == true)
                rig.journal.fail(atWrite: nil)
                let second = try await rig.apply(task(.upgrade, "head", indexed()))
                #expect(second.state == .succeeded, "after write \(write): \(second)")
                #expect(try await ids(rig) == "1,2,3")
                #expect(try await indexes(rig) == "a.i:true")
                return false
            }
            if isWhole { break }
            write += 1
        }
        #expect(write > 3)
    }

    @Test("the next attempt waits for no session that its worker has put to another use")
    func sessionInUse() async throws {
        var write = 1
        while true {
            let isWhole = try await EngineRig.with { rig in
                _ = try await rig.apply(task(.upgrade, "r1", indexed()))
                rig.journal.fail(atWrite: write)
                let worker = WorkerConnection(
                    slots: rig.slots, connectTimeout: .seconds(10), onNotice: { _ in })
                let engine = rig.engine(
                    try task(.upgrade, "head", indexed()), targetLockTimeout: .seconds(5))
                var work = try rig.work()
                let first = await engine.migrate(&work, by: worker)
                rig.journal.fail(atWrite: nil)
                // What the worker does next keeps whatever session it has.
                var other = try rig.work()
                let reading = rig.engine(try task(.check, "head", indexed()))
                _ = await reading.migrate(&other, by: worker)
                if first.state != .succeeded {
                    var again = try rig.work()
                    let second = await rig.attempt(&again, by: engine)
                    #expect(second.state == .succeeded, "after write \(write): \(second)")
                }
                await worker.close()
                return first.state == .succeeded
            }
            if isWhole { break }
            write += 1
        }
        #expect(write > 3)
    }

    @Test("a session that dies in the middle of a statement leaves nothing that is not found")
    func killed() async throws {
        try await EngineRig.with { rig in
            try await rig.database.psql(
                "CREATE TABLE public.pace (build int, fill int); INSERT INTO pace VALUES (20, 20); "
                    + "CREATE FUNCTION public.slow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS "
                    + "'BEGIN PERFORM pg_sleep((SELECT build FROM public.pace)); RETURN $1; END'")
            let slow = try RevisionGraph([
                loose(
                    "r1",
                    up: "CREATE TABLE t (id int, x int); INSERT INTO t VALUES (1, 1), (2, 2); "
                        + "CREATE INDEX CONCURRENTLY i ON t (public.slow(x)); "
                        + "INSERT INTO t SELECT 3, 3 FROM (SELECT pg_sleep(fill) FROM public.pace) p"
                )
            ])
            for haste in ["build = 0", "fill = 0"] {
                async let running = rig.apply(task(.upgrade, "head", slow))
                #expect(try await rig.database.sleeps())
                try await rig.database.psql(
                    "UPDATE public.pace SET \(haste); " + TestDatabase.terminateSleepers)
                let outcome = try await running
                #expect(outcome.state == .failed && outcome.failure?.isRetryable == true)
            }
            let outcome = try await rig.apply(task(.upgrade, "head", slow))
            #expect(outcome.state == .succeeded, "\(outcome)")
            #expect(try await indexes(rig) == "a.i:true")
            #expect(try await ids(rig) == "1,2,3")
        }
    }

    @Test("an INVALID index that a dead run left is built again, a valid one is an error")
    func leftovers() async throws {
        try await EngineRig.with { rig in
            _ = try await rig.apply(task(.upgrade, "r1", indexed()))
            try await rig.database.psql(
                "CREATE INDEX i ON a.t (x); "
                    + "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a.i'::regclass")
            let rebuilt = try await rig.apply(task(.upgrade, "r2", indexed()))
            #expect(rebuilt.state == .succeeded)
            #expect(try await indexes(rig) == "a.i:true")
            _ = try await rig.apply(task(.downgrade, "r1", indexed()))
            try await rig.database.psql("CREATE INDEX i ON a.t (x)")
            let refused = try await rig.apply(task(.upgrade, "r2", indexed()))
            #expect(refused.failure?.sqlState == SQLState.duplicateTable)
            #expect(refused.failure?.statement == "CREATE INDEX CONCURRENTLY i ON t (x)")
            #expect(refused.failure?.revision == "r2" && refused.failure?.line == 1)
            // What had run before is not run again once the way is free.
            try await rig.database.psql("DROP INDEX a.i")
            let mended = try await rig.apply(task(.upgrade, "r2", indexed()))
            #expect(mended.state == .succeeded)
            #expect(try await ids(rig) == "1,2,3")
        }
    }

    @Test("a build that fails leaves no INVALID index behind")
    func failedBuild() async throws {
        try await EngineRig.with { rig in
            let graph = try RevisionGraph([
                revision(
                    "r1", up: "CREATE TABLE t (id int, x int); INSERT INTO t VALUES (1, 1), (2, 1)"),
                loose("r2", after: ["r1"], up: "CREATE UNIQUE INDEX CONCURRENTLY u ON t (x)"),
            ])
            let outcome = try await rig.apply(task(.upgrade, "head", graph))
            #expect(outcome.failure?.sqlState == SQLState.uniqueViolation)
            #expect(outcome.toRevisions == ["r1"])
            #expect(try await indexes(rig) == "")
        }
    }

    @Test("what nobody can find out is left to a person")
    func inDoubt() async throws {
        try await EngineRig.with { rig in
            try await rig.database.psql(
                "CREATE TABLE a.t (id int, x int); "
                    + "CREATE PROCEDURE a.p() LANGUAGE plpgsql AS "
                    + "'BEGIN INSERT INTO t VALUES (1, 1); COMMIT; "
                    + "PERFORM pg_sleep(CASE WHEN count(*) = 1 THEN 20 ELSE 0 END) FROM t; END'")
            let graph = try RevisionGraph([
                loose("r1", up: "CALL p(); INSERT INTO t VALUES (2, 2)")
            ])
            async let running = rig.apply(task(.upgrade, "head", graph))
            #expect(try await rig.database.sleeps())
            try await rig.database.psql(TestDatabase.terminateSleepers)
            let lost = try await running
            #expect(lost.state == .failed && lost.failure?.isRetryable == true)
            for _ in 0..<2 {
                let outcome = try await rig.apply(task(.upgrade, "head", graph))
                #expect(outcome.failure?.code == .step(.inDoubt))
                #expect(outcome.failure?.statement == "CALL p()")
            }
            #expect(try await ids(rig) == "1")
            let target = try rig.target()
            var step = try #require(rig.journal.steps[target])
            #expect(step.doubt != nil)
            // Somebody has looked: it is to be run again.
            step.doubt = nil
            step.begun = nil
            rig.journal.put(step, for: target)
            let outcome = try await rig.apply(task(.upgrade, "head", graph))
            #expect(outcome.state == .succeeded)
            #expect(try await ids(rig) == "1,1,2")
        }
    }

    @Test("a plan that leads elsewhere does not pass over a step that was begun")
    func inTheWay() async throws {
        try await EngineRig.with { rig in
            _ = try await rig.apply(task(.upgrade, "r1", indexed()))
            try await rig.database.psql("CREATE INDEX i ON a.t (x)")
            _ = try await rig.apply(task(.upgrade, "head", indexed()))
            let down = try await rig.apply(task(.downgrade, "base", indexed()))
            #expect(down.failure?.code == .step(.unfinished))
            #expect(try await rig.tables() == ["t"])
            // Setting the rows right is how a person says that all is well.
            let stamp = try await rig.apply(task(.stamp, "r2", indexed()))
            #expect(stamp.state == .succeeded)
            let rest = try await rig.apply(task(.upgrade, "head", indexed()))
            #expect(rest.state == .succeeded && rest.steps == 1)
        }
    }

    @Test("one index at a time is built in a database")
    func oneBuild() async throws {
        try await EngineRig.with(schemas: ["a", "b"]) { rig in
            _ = try await rig.apply(task(.upgrade, "r1", indexed()))
            rig.journal.builder = try rig.target("b")
            var work = try rig.work()
            let waiting = await rig.attempt(
                &work, by: rig.engine(task(.upgrade, "head", try indexed())))
            #expect(waiting.isPostponed && waiting.failure?.code == .step(.indexBuildWaits))
            rig.journal.builder = nil
            let outcome = await rig.attempt(
                &work, by: rig.engine(task(.upgrade, "head", try indexed())))
            #expect(outcome.state == .succeeded && !outcome.isPostponed)
            #expect(try await ids(rig) == "1,2,3")
        }
    }

    @Test("partitions detached and indexes rebuilt beside the application")
    func others() async throws {
        try await EngineRig.with { rig in
            let graph = try RevisionGraph([
                revision(
                    "r1",
                    up: "CREATE TABLE t (id int, x int) PARTITION BY RANGE (id); "
                        + "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10); "
                        + "CREATE INDEX k ON t1 (x); CREATE TYPE e AS ENUM ('a')"),
                loose(
                    "r2", after: ["r1"],
                    up: "ALTER TABLE t DETACH PARTITION t1 CONCURRENTLY; "
                        + "REINDEX INDEX CONCURRENTLY k; REINDEX TABLE CONCURRENTLY t1; "
                        + "VACUUM t1; ALTER TYPE e ADD VALUE 'b'; "
                        + "ALTER TABLE t1 ADD kind e DEFAULT 'b'"),
            ])
            let outcome = try await rig.apply(task(.upgrade, "head", graph))
            #expect(outcome.state == .succeeded, "\(outcome)")
            let parents = try await rig.database.psql("SELECT count(*) FROM pg_inherits")
            #expect(parents.hasPrefix("0"))
        }
    }
}
