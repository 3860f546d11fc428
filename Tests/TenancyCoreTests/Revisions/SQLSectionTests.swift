import Testing

@testable import Revisions
@testable import Tenants

@Suite struct SQLSectionTests {
    private func read(_ text: String) -> SQLFile { SQLFile(name: "f.sql", text: text) }

    private func batches(_ script: StepScript?) -> [String]? {
        script?.batches.map(Self.described)
    }

    private static func described(_ batch: StepScript.Batch) -> String {
        let texts = batch.statements.map(\.text).joined(separator: "; ")
        return (batch.isTransactional ? "together: " : "alone: ") + texts
    }

    @Test("comments in a section tell what commits together")
    func transactions() {
        let file = read(
            """
            -- revision: a
            -- upgrade
            CREATE TABLE t (x int);
            -- transaction: off
            CREATE INDEX CONCURRENTLY i ON t (x);
            -- transaction: ON
            INSERT INTO t VALUES (1); INSERT INTO t VALUES (2);
            -- downgrade
            -- transaction: off
            VACUUM t;
            """)
        #expect(file.problems.isEmpty && file.warnings.isEmpty)
        #expect(
            batches(file.upgrade) == [
                "together: CREATE TABLE t (x int)",
                "alone: CREATE INDEX CONCURRENTLY i ON t (x)",
                "together: INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)",
            ])
        #expect(batches(file.downgrade) == ["alone: VACUUM t"])
        #expect(file.upgrade?.isTransactional == false)
    }

    @Test("the header's word holds where a section says nothing, and a merge has no statements")
    func header() {
        let file = read(
            "-- revision: a\n-- transaction: off\n-- upgrade\nSELECT 1;\n-- downgrade\n")
        #expect(batches(file.upgrade) == ["alone: SELECT 1"])
        #expect(file.downgrade?.statements.isEmpty == true)
        #expect(file.downgrade?.isTransactional == true)
    }

    @Test("the schema's variable stands for places, and a section for targets without one")
    func schema() throws {
        let file = read(
            """
            -- revision: a
            -- schema_variable: home
            -- upgrade
            INSERT INTO :"home".t SELECT ':home', x::home, ':homes' FROM a:home;
            -- upgrade without schema
            -- downgrade
            DROP TABLE t;
            """)
        #expect(file.problems.isEmpty)
        let script = try #require(file.upgrade)
        let placed = script.placed(in: try SchemaName("tenant_1"))
        #expect(
            placed.statements.map(\.text) == [
                "INSERT INTO \"tenant_1\".t SELECT 'tenant_1', x::home, ':homes' FROM atenant_1"
            ])
        #expect(script.placed(in: nil).statements.isEmpty && !script.needsSchema)
        #expect(file.downgrade?.batchesWithoutSchema == nil)
        let without = read(
            "-- revision: a\n-- schema_variable: s\n-- upgrade\nCOMMENT ON SCHEMA :\"s\" IS ''\n")
        #expect(without.upgrade?.needsSchema == true)
        let plain = read("-- revision: a\n-- upgrade\nSELECT :\"s\", ':s'\n")
        #expect(plain.upgrade?.namesSchema == false)
    }

    @Test("no upgrade leads through a revision that says so")
    func noUpgrade() {
        let file = read("-- revision: a\n\n-- upgrade: none\n-- a reason\n-- downgrade\nSELECT 1")
        #expect(file.problems.isEmpty)
        #expect(file.upgrade == nil && file.downgrade != nil)
    }

    @Test(
        "what is wrong is said with its line",
        arguments: [
            ("-- upgrade\n-- upgrade: none\n", 3, "duplicate_section"),
            ("-- upgrade: none\nSELECT 1;\n", 3, "statement_outside_section"),
            ("-- upgrade\n-- downgrade without schema\n", 3, "missing_section"),
            ("-- schema_variable: A-b\n-- upgrade\n", 2, "invalid_schema_variable"),
            ("-- schema_variable:\n-- upgrade\n", 2, "invalid_schema_variable"),
            ("-- upgrade\nSELECT '\u{F8F0}';\n", 1, "reserved_character"),
        ])
    func problems(text: String, line: Int, code: String) {
        let problems = read("-- revision: a\n" + text).problems
        #expect(problems.map(\.code) == [code])
        #expect(problems.first?.line == line)
    }
}
