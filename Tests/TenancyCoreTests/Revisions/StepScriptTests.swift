import Testing

@testable import Engine
@testable import Revisions

struct StepScriptTests {
    private func statements(_ text: String) throws -> [SQLStatement] {
        try SQLSplitter.split(text)
    }

    @Test(
        "a non-transactional statement is known by how its outcome can be determined",
        arguments: [
            (
                "CREATE INDEX CONCURRENTLY i ON t (x)",
                .createIndex(name: "i", table: "t")
            ),
            (
                "create unique index concurrently if not exists \"I x\" on only s.\"T\" (x)",
                .createIndex(name: "\"I x\"", table: "s.\"T\"")
            ),
            ("CREATE INDEX CONCURRENTLY ON t (x)", .createIndex(name: nil, table: "t")),
            (
                "CREATE /* c */ INDEX CONCURRENTLY -- c\n i ON t (x)",
                .createIndex(name: "i", table: "t")
            ),
            ("DROP INDEX CONCURRENTLY IF EXISTS s.i CASCADE", .dropIndex(name: "s.i")),
            ("REINDEX INDEX CONCURRENTLY i", .reindexConcurrently),
            ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", .reindexConcurrently),
            ("REINDEX SCHEMA s", .repeatable),
            (
                "ALTER TABLE ONLY p DETACH PARTITION s.c CONCURRENTLY",
                .detachPartition(table: "p", partition: "s.c")
            ),
            ("VACUUM (FULL) t", .repeatable), ("ALTER SYSTEM SET work_mem = '1MB'", .repeatable),
            ("CREATE DATABASE d", .opaque),
            ("CREATE INDEX i ON t (x)", nil), ("ALTER TYPE e ADD VALUE 'x'", nil),
            ("CALL p()", nil),
        ] as [(String, NonTransactionalStatement?)])
    func commands(text: String, expected: NonTransactionalStatement?) throws {
        let statement = try #require(try statements(text).first)
        #expect(NonTransactionalStatement(of: statement, serverVersion: 150_000) == expected)
    }

    @Test("a value of an enum could not be added in a transaction before PostgreSQL 12")
    func enumValues() throws {
        let script = StepScript(
            statements: try statements("ALTER TYPE s.e ADD VALUE IF NOT EXISTS 'it''s' AFTER 'a'"))
        #expect(script.isTransactional(serverVersion: 120_000))
        #expect(!script.isTransactional(serverVersion: 110_022))
        #expect(script.units(serverVersion: 120_000) == [.transaction(0..<1)])
        #expect(
            script.units(serverVersion: 110_022) == [
                .nonTransactional(0, .addEnumValue(type: "s.e", value: "'it''s'"))
            ])
    }

    @Test("a loose script gives every statement a transaction that can hold one")
    func looseUnits() throws {
        let script = StepScript(
            statements: try statements("UPDATE t SET x = 1; VACUUM t; CALL p(); SELECT 1"),
            isTransactional: false)
        #expect(
            script.units(serverVersion: 150_000) == [
                .transaction(0..<1), .nonTransactional(1, .repeatable),
                .nonTransactional(2, .opaque),
                .transaction(3..<4),
            ])
    }

    @Test("batches keep their statements together, but for those that no transaction can hold")
    func batches() throws {
        func batch(_ text: String, _ isTransactional: Bool) throws -> StepScript.Batch {
            .init(statements: try statements(text), isTransactional: isTransactional)
        }
        let script = StepScript(batches: [
            try batch("SELECT 1; SELECT 2", true), try batch("VACUUM t; SELECT 3", false),
            try batch("SELECT 4; SELECT 5; CALL p()", true),
        ])
        #expect(!script.isTransactional)
        #expect(script.statements.count == 7)
        #expect(
            script.units(serverVersion: 150_000) == [
                .transaction(0..<2), .nonTransactional(2, .repeatable), .transaction(3..<4),
                .transaction(4..<7),
            ])
        #expect(StepScript(batches: []).isTransactional)
    }

    @Test("an unfinished step is gone on with where rows, plan and text agree with it")
    func findings() throws {
        let graph = try RevisionGraph([
            loose("l1", up: "SELECT 1; SELECT 2", down: "SELECT 3"),
            loose("l2", after: ["l1"], up: "SELECT 4"),
        ])
        let plan = try graph.upgrade(to: "head", from: [])
        let digests = try #require(graph["l1"]?.upgrade).digests([
            .transaction(0..<1), .transaction(1..<2),
        ])
        var step = UnfinishedStep(plan.steps[0], from: [])
        func finding(
            _ rows: [String] = [], next: PlannedStep? = plan.steps[0]
        ) -> UnfinishedFinding {
            step.finding(rows: rows, next: next, digests: digests)
        }
        #expect(finding() == .resume)
        #expect(finding(["l1"]) == .obsolete)
        #expect(finding(next: nil) == .inTheWay)
        #expect(finding(next: plan.steps[1]) == .inTheWay)
        step.unit = 1
        #expect(finding() == .edited)
        step.doneDigest = digests[1]
        #expect(finding() == .resume)
        step.begun = BegunUnit(backend: 1, backendStart: "then", digest: "another")
        #expect(finding() == .edited)
        step.begun?.digest = digests[2]
        #expect(finding() == .resume)
        step.doubt = "nobody knows"
        #expect(finding() == .inDoubt)
    }
}
