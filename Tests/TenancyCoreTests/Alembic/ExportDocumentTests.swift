import Testing

@testable import Alembic
@testable import Engine
@testable import Revisions
@testable import Support
@testable import Tenants

@Suite("What the exporter answers")
struct ExportDocumentTests {
    private func set(_ json: String) throws -> RevisionSet {
        try ExportDocument(JSONValue.parse(Array(json.utf8))).revisionSet()
    }

    private func one(_ upgrade: String) throws -> Revision {
        let set = try set(
            """
            {"format": 1, "inputs": [{"path": "/p/versions/a.py", "sha256": "00"}],
             "revisions": [{"revision": "a", "down_revisions": [], "depends_on": [],
              "branch_labels": [], "message": "m", "path": "versions/a.py",
              "upgrade": \(upgrade), "downgrade": {"statements": []}}]}
            """)
        return try #require(set.graph["a"])
    }

    @Test func statementsBecomeAScriptWithItsBatches() throws {
        let revision = try one(
            """
            {"statements": [{"sql": "SELECT 1; SELECT 2 -- end"},
             {"sql": "CREATE INDEX CONCURRENTLY i ON t (a)", "autocommit": true}]}
            """)
        let script = try #require(revision.upgrade)
        #expect(script.batches.map(\.isTransactional) == [true, false])
        #expect(
            script.statements.map(\.text) == [
                "SELECT 1", "SELECT 2 -- end", "CREATE INDEX CONCURRENTLY i ON t (a)",
            ])
        #expect(script.statements.allSatisfy { $0.line == 0 })
        #expect((revision.engine, revision.file) == (.sql, "versions/a.py"))
    }

    @Test(arguments: [
        (#"{"python": "it needs a result"}"#, "it needs a result"),
        (#"{"statements": [{"sql": "SELECT 'open"}]}"#, "its SQL cannot be split"),
        (#"{"statements": [{"sql": "COMMIT"}]}"#, "Alembic has to run it"),
        (#"{"statements": [{"sql": "SET search_path TO x"}]}"#, "Alembic has to run it"),
    ])
    func stepsThatOnlyAlembicCanRunHaveAReason(upgrade: String, reason: String) throws {
        let revision = try one(upgrade)
        #expect(revision.engine == .python)
        #expect(revision.upgrade == nil)
        #expect(revision.pythonReasons[.up]?.hasPrefix(reason) == true)
        #expect(revision.pythonReasons[.down] == nil)
    }

    @Test func aStepThatDependsOnTheServerHasAScriptForEach() throws {
        let revision = try one(
            """
            {"servers": [
             {"first": 10, "last": 15, "statements": [{"sql": "SELECT 10"}]},
             {"first": 16, "last": 16, "python": "it renders otherwise for some releases"},
             {"first": 17, "last": 17, "statements": [{"sql": "COMMIT"}]},
             {"first": 18, "last": null, "statements": [{"sql": "SELECT 18"}]}]}
            """)
        #expect(revision.engine == .sql)
        #expect(revision.upgrade?.statements.map(\.text) == ["SELECT 18"])
        let expected = [
            90_624: nil, 100_000: "SELECT 10", 150_018: "SELECT 10", 160_004: nil, 170_000: nil,
            180_000: "SELECT 18", 990_099: "SELECT 18",
        ]
        for (version, text) in expected {
            let script = revision.script(.up, serverVersion: version)
            #expect(script?.statements.map(\.text) == text.map { [$0] }, "\(version)")
            #expect(revision.needsPython(.up, serverVersion: version) == (text == nil))
        }
        #expect(!revision.needsPython(.down, serverVersion: 90_624))
    }

    @Test func aStepThatNoServerGetsAsSQLIsPythons() throws {
        let revision = try one(
            """
            {"servers": [{"first": 10, "last": null, "statements": [{"sql": "COMMIT"}]}]}
            """)
        #expect(revision.engine == .python && revision.variants.isEmpty)
        #expect(revision.pythonReasons[.up]?.hasPrefix("Alembic has to run it") == true)
    }

    @Test func aSchemaIsPutInWhereTheProjectNamesIt() throws {
        let revision = try one(
            """
            {"statements": [{"sql": "CREATE TABLE \\uf8f0.t (a text DEFAULT '\\uf8f1')"}],
             "without_schema": {"statements": [{"sql": "CREATE TABLE t (a text)"}]}}
            """)
        let script = try #require(revision.upgrade)
        let placed = script.placed(in: try SchemaName("tenant-a"))
        #expect(
            placed.statements.map(\.text) == [
                #"CREATE TABLE "tenant-a".t (a text DEFAULT 'tenant-a')"#
            ])
        #expect(script.placed(in: nil).statements.map(\.text) == ["CREATE TABLE t (a text)"])
        #expect(
            script.statements[0].textForPeople
                == #"CREATE TABLE :"tenant_schema".t (a text DEFAULT ':tenant_schema')"#)
    }

    @Test func everyProblemOfTheGraphIsNamed() throws {
        let revisions = [("a", "gone"), ("b", "lost")].map { id, down in
            """
            {"revision": "\(id)", "down_revisions": ["\(down)"], "path": "\(id).py",
             "upgrade": {"statements": []}, "downgrade": {"statements": []}}
            """
        }
        let error = #expect(throws: FolderError.self) {
            try set(#"{"format": 1, "revisions": [\#(revisions.joined(separator: ","))]}"#)
        }
        #expect(error?.problems.map(\.file) == ["a.py", "b.py"])
        #expect(error?.problems.allSatisfy { $0.code == "missing_parent" } == true)
    }

    @Test func aProjectThatCannotBeReadSaysWhereAndWhy() throws {
        let error = #expect(throws: FolderError.self) {
            try set(
                """
                {"error": {"kind": "revision_failed", "message": "x", "errors": [
                 {"kind": "revision_failed", "message": "cannot be loaded", "path": "/p/a.py",
                  "traceback": ["SyntaxError: bad"]},
                 {"kind": "env_failed", "message": "broken", "path": "/p/env.py"}]}}
                """)
        }
        #expect(error?.problems.map(\.code) == ["revision_failed", "env_failed"])
        #expect(error?.problems[0].message == "cannot be loaded\n    SyntaxError: bad")
    }

    @Test func theVersionTableIsTheProjects() throws {
        let fixed = #""version_table": "v", "version_table_schema": "shared", "revisions": []"#
        let own = #""version_table": "v", "version_table_schema": "\uf8f1", "revisions": []"#
        #expect(
            try set("{\(fixed)}").versionTable == VersionTableName(name: "v", schema: "shared"))
        #expect(try set("{\(own)}").versionTable == VersionTableName(name: "v"))
        let table = VersionTable(
            schema: try SchemaName("t"), name: VersionTableName(name: "Own", schema: "all"))
        #expect(table.read == #"SELECT version_num FROM "all"."Own""#)
    }
}
