import Foundation
import Testing

@testable import Revisions
@testable import Tenants

@Suite struct RenderedFolderTests {
    private static func batch(_ texts: [String], _ isTransactional: Bool = true)
        -> StepScript.Batch
    {
        StepScript.Batch(
            statements: texts.map { SQLStatement(text: $0, line: 0) },
            isTransactional: isTransactional)
    }

    private static let place = String(SchemaPlaceholder.identifier)
    private static let bare = String(SchemaPlaceholder.bare)

    /// Scripts with everything that the form of a file could spoil.
    private static let scripts: [StepScript] = [
        StepScript(batches: []),
        StepScript(batches: [batch(["SELECT 1 -- a remark", "SELECT '--'", "SELECT\n2"])]),
        StepScript(batches: [
            batch(["CREATE TABLE t ()"]), batch(["VACUUM t", "ANALYZE t"], false),
            batch(["DROP TABLE t"]),
        ]),
        StepScript(
            batches: [batch(["COMMENT ON SCHEMA \(place) IS '\(bare)'"])], withoutSchema: []),
        StepScript(
            batches: [batch(["SELECT ':tenant_schema' FROM \(place).t"])],
            withoutSchema: [batch(["SELECT ':tenant_schema' FROM t"])]),
        StepScript(batches: [batch(["SELECT $$ ; -- \(place) $$", "SELECT $a$'$a$"])]),
    ]

    private func set(_ revisions: [Revision]) throws -> RevisionSet {
        RevisionSet(
            graph: try RevisionGraph(revisions),
            versionTable: Self.table)
    }

    private static let table = VersionTableName(
        name: "Versions", schema: "shared", columns: "version_num VARCHAR(128) NOT NULL")

    private func withFolder(_ body: (String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "rendered-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test("what is written reads back as it was", arguments: scripts.indices)
    func roundTrip(index: Int) throws {
        let script = Self.scripts[index]
        let revisions = [
            Revision(id: "a", branchLabels: ["x"], message: "two\nlines: of it", upgrade: script),
            Revision(
                id: "b", downRevisions: ["a"], upgrade: StepScript(batches: []), downgrade: script),
            Revision(id: "c", dependsOn: ["b"], upgrade: script, downgrade: script),
        ]
        try withFolder { path in
            try RenderedFolder(set(revisions)).write(to: path)
            let read = try SQLFolder.load(path: path)
            #expect(read.versionTable == Self.table)
            #expect(read.graph.revisions.map(\.id) == ["a", "b", "c"])
            #expect(read.graph["a"]?.message == "two lines: of it")
            #expect(read.graph["c"]?.dependsOn == ["b"])
            let texts = read.graph.revisions.flatMap { revision in
                [revision.upgrade, revision.downgrade].map { $0?.statements.map(\.text) }
            }
            let own = script.statements.map(\.text)
            #expect(texts == [own, nil, [], own, own, own])
            for schema in [try SchemaName("s"), nil] {
                let placed = read.graph["c"]?.upgrade?.placed(in: schema)
                #expect(
                    placed?.statements.map(\.text)
                        == script.placed(in: schema).statements.map(\.text))
            }
        }
    }

    @Test("steps that only Alembic can run are refused, or left out")
    func pythonSteps() throws {
        let revisions = [
            Revision(id: "a", upgrade: StepScript(batches: [])),
            Revision(
                id: "b", downRevisions: ["a"], file: "b.py",
                pythonReasons: [.up: "it looks", .down: "it asks"]),
        ]
        let error = #expect(throws: FolderError.self) { try RenderedFolder(set(revisions)) }
        #expect(error?.problems.map(\.code) == ["python_step", "python_step"])
        let folder = try RenderedFolder(set(revisions), allowsPythonSteps: true)
        #expect(folder.pythonSteps.count == 2)
        try withFolder { path in
            try folder.write(to: path)
            let graph = try SQLFolder.load(path: path).graph
            #expect(graph["b"]?.upgrade == nil && graph["b"]?.downgrade == nil)
        }
    }

    @Test("a step that depends on the server is written for the servers that are named")
    func stepsByServer() throws {
        let revisions = [
            Revision(
                id: "a", upgrade: Self.later, file: "a.py",
                variants: [
                    .up: [
                        ServerVariant(
                            servers: ServerVersions(first: 10, last: 17), script: Self.earlier),
                        ServerVariant(
                            servers: ServerVersions(first: 18, last: nil), script: Self.later),
                    ]
                ])
        ]
        let error = #expect(throws: FolderError.self) {
            try RenderedFolder(set(revisions), allowsPythonSteps: true)
        }
        #expect(error?.problems.map(\.code) == ["not_renderable"])
        #expect(error?.description.contains("PostgreSQL 10 to 17, 18 and later") == true)
        for (major, text) in [(15, "SELECT 10"), (17, "SELECT 10"), (19, "SELECT 18")] {
            let folder = try RenderedFolder(set(revisions).settled(onMajor: major))
            #expect(folder.files[0].text.contains(text))
        }
        #expect(throws: FolderError.self) { try RenderedFolder(set(revisions).settled(onMajor: 9)) }
    }

    private static let earlier = StepScript(batches: [batch(["SELECT 10"])])
    private static let later = StepScript(batches: [batch(["SELECT 18"])])

    @Test("a statement with a comment like a section's cannot be written down")
    func comment() throws {
        let script = StepScript(batches: [Self.batch(["SELECT\n-- downgrade\n1"])])
        let error = #expect(throws: FolderError.self) {
            try RenderedFolder(set([Revision(id: "a", upgrade: script)]))
        }
        #expect(error?.problems.map(\.code) == ["not_renderable"])
    }

    @Test(
        "folder.json is checked",
        arguments: [
            ("{", "folder.json: is not JSON"),
            (#"{"version_table": ""}"#, "folder.json: version_table"),
            (#"{"table": "x"}"#, "folder.json: table"), ("[]", "folder.json: must be an object"),
        ])
    func settings(text: String, message: String) throws {
        let error = #expect(throws: FolderError.self) { try FolderSettings(Array(text.utf8)) }
        #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
    }
}
