import Testing

@testable import Revisions

@Suite("Revision graphs")
struct RevisionGraphTests {
    /// a1 - b1 - d1, a1 - c1 - d1 (merge), e1 depends on b1; d1 carries the label main.
    static func make() throws -> RevisionGraph {
        try RevisionGraph([
            Revision(id: "a1", upgrade: script("a"), downgrade: script("-a")),
            Revision(id: "b1", downRevisions: ["a1"], upgrade: script("b"), file: "b.sql"),
            Revision(
                id: "c1", downRevisions: ["a1"], pythonReasons: [.up: "reads", .down: "reads"]),
            Revision(id: "d1", downRevisions: ["b1", "c1"], branchLabels: ["main"]),
            Revision(id: "e1", dependsOn: ["b1"], upgrade: script("e")),
        ])
    }

    static func script(_ text: String) -> StepScript {
        StepScript(statements: [SQLStatement(text: text, line: 1)])
    }

    @Test("heads, bases and members are known")
    func knowsItsEnds() throws {
        let graph = try Self.make()
        #expect(graph.heads == ["d1", "e1"])
        #expect(graph.bases == ["a1", "e1"])
        #expect(graph["b1"]?.file == "b.sql")
        #expect(graph["main"] == nil)
        #expect(graph.ancestors(of: "e1") == ["a1", "b1", "e1"])
        #expect(graph.ancestors(of: "nosuch") == [])
    }

    @Test("how far rows are from the heads")
    func countsPending() throws {
        let graph = try Self.make()
        #expect(try graph.pendingCount(rows: []) == 5)
        #expect(try graph.pendingCount(rows: ["e1"]) == 2)
        #expect(try graph.pendingCount(rows: ["d1"]) == 1)
        #expect(try graph.isAtHead(rows: ["d1", "e1"]))
        #expect(try !graph.isAtHead(rows: ["d1"]))
        #expect(try graph.isAtOrBeyond("b1", rows: ["e1"]))
        #expect(try !graph.isAtOrBeyond("c1", rows: ["e1"]))
        #expect(throws: RevisionError.unknownVersionRow("gone")) {
            try graph.pendingCount(rows: ["gone"])
        }
    }

    @Test(
        "a target that needs no tenant is resolved without one",
        arguments: [
            (RevisionOperation.upgrade, "heads", ["d1", "e1"]),
            (.upgrade, "d1", ["d1"]), (.upgrade, "main@head", ["d1"]), (.upgrade, "+1", nil),
            (.upgrade, "main@+2", nil), (.upgrade, "base", []), (.upgrade, "b1+1", ["d1"]),
            (.downgrade, "-1", nil), (.downgrade, "main@-1", nil), (.downgrade, "base", []),
            (.downgrade, "b1", ["b1"]), (.downgrade, "b1-1", ["a1"]), (.stamp, "main", ["d1"]),
            (.stamp, "base", []),
        ] as [(RevisionOperation, String, [String]?)])
    func resolves(operation: RevisionOperation, target: String, ids: [String]?) throws {
        #expect(try Self.make().resolvedTarget(operation, target) == ids)
    }

    @Test(
        "a target that no tenant can have is refused without one",
        arguments: [
            (RevisionOperation.upgrade, "head", RevisionError.Class.multipleHeads),
            (.upgrade, "nosuch", .resolutionError), (.upgrade, "-1", .revisionError),
            (.upgrade, "nosuch@+1", .resolutionError), (.upgrade, "a1:b1", .commandError),
            (.upgrade, "", .resolutionError), (.upgrade, "a1+1", .revisionError),
            (.downgrade, "+1", .revisionError), (.downgrade, "d1-9", .revisionError),
            (.downgrade, "nosuch@-1", .resolutionError), (.stamp, "+1", .resolutionError),
            (.stamp, "-1", .resolutionError),
        ])
    func refuses(operation: RevisionOperation, target: String, wanted: RevisionError.Class) throws {
        let graph = try Self.make()
        let error = #expect(throws: RevisionError.self) {
            try graph.resolvedTarget(operation, target)
        }
        #expect(error?.errorClass == wanted)
    }

    @Test("a plan through a revision without the section for it is found out beforehand")
    func findsMissingScripts() throws {
        let graph = try Self.make()
        let up = try graph.upgrade(to: "b1", from: [])
        try graph.checkScripts(of: up)
        let down = try graph.downgrade(to: "base", from: ["b1"])
        #expect(graph.missingScripts(in: down).map(\.revision) == ["b1"])
        let error = RevisionError.missingScript(
            revision: "b1", direction: .down, file: "b.sql")
        #expect(throws: error) { try graph.checkScripts(of: down) }
        #expect(error.code == .noDowngrade)
        // A Python step has no statements and needs none; an SQL merge without a section does.
        let merge = try graph.upgrade(to: "d1", from: ["b1"])
        #expect(graph.missingScripts(in: merge).map(\.revision) == ["d1"])
    }

    @Test("an unknown row is told from an unknown target")
    func blamesTheRow() throws {
        let graph = try Self.make()
        #expect(throws: RevisionError.unknownVersionRow("gone")) {
            try graph.upgrade(to: "d1", from: ["gone"])
        }
        #expect(throws: RevisionError.unknownVersionRow("gone")) {
            try graph.downgrade(to: "-1", from: ["gone"])
        }
        #expect(throws: RevisionError.unknownRevision("gone")) {
            try graph.upgrade(to: "gone", from: ["b1"])
        }
    }

    @Test("a purge forgets the rows, whatever they say")
    func purges() throws {
        let plan = try Self.make().stamp(["d1"], from: ["gone", "b1"], purge: true)
        #expect(plan.purgedVersions == ["gone", "b1"])
        #expect(plan.result == ["d1"])
    }

    @Test("a downgrade counted from the first of several rows comes with a warning")
    func warns() throws {
        let graph = try Self.make()
        #expect(try graph.downgrade(to: "-1", from: ["e1", "c1"]).warnings.count == 1)
        #expect(try graph.downgrade(to: "-1", from: ["b1"]).warnings.isEmpty)
    }

    @Test("a cycle is found although it lies between a base and a head")
    func findsHiddenCycle() {
        let revisions = [
            Revision(id: "a"), Revision(id: "b", downRevisions: ["a", "d"]),
            Revision(id: "c", downRevisions: ["b"]), Revision(id: "d", downRevisions: ["c"]),
            Revision(id: "e", downRevisions: ["d"]),
        ]
        let error = #expect(throws: RevisionError.self) { try RevisionGraph(revisions) }
        #expect(error?.errorClass == .cycleDetected)
    }

    @Test("a plan over a thousand revisions looks at each only a few times")
    func isFast() throws {
        let line = (0..<1_000).map { index in
            Revision(id: "r\(index)", downRevisions: index == 0 ? [] : ["r\(index - 1)"])
        }
        let graph = try RevisionGraph(line)
        let spent = try ContinuousClock().measure {
            let up = try graph.upgrade(to: "heads", from: [])
            #expect(up.steps.count == 1_000)
            #expect(try graph.downgrade(to: "base", from: up.result).steps.count == 1_000)
        }
        // A release build needs about a millisecond; the rest is room for a debug build on a busy
        // machine, which a planner that walked the line for every revision would not fit into.
        #expect(spent < .seconds(20), "\(spent)")
    }
}
