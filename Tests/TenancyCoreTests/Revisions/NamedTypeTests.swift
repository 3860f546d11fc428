import Testing

@testable import Engine
@testable import Revisions
@testable import Tenants

@Suite struct NamedTypeTests {
    private static let mood = NamedType(kind: "pg_enum", schema: nil, name: "mood")

    /// A statement that SQLAlchemy emits for a type: "+mood" makes it, "-mood" drops it; others are
    /// the migration's own.
    private static func statement(_ text: String) -> SQLStatement {
        guard let sign = ["+": "CREATE", "-": "DROP"][text.prefix(1)] else {
            return SQLStatement(text: text, line: 0)
        }
        let name = String(text.dropFirst())
        return SQLStatement(
            text: "\(sign) TYPE \(name)", line: 0,
            namedType: NamedType(kind: "pg_enum", schema: nil, name: name))
    }

    private static func script(_ texts: [String]) -> StepScript {
        StepScript(statements: texts.map(statement))
    }

    @Test(
        "a run makes a type in the first of its steps that names it",
        arguments: [
            ([["+mood", "a"], ["+mood", "b"]], [["CREATE TYPE mood", "a"], ["b"]]),
            (
                [["a"], ["+mood"], ["+mood", "+size"]],
                [["a"], ["CREATE TYPE mood"], ["CREATE TYPE size"]]
            ),
            // SQLAlchemy 2.0 drops a type with its table, and remembers it in the same list.
            ([["+mood"], ["-mood", "b"], ["+mood"]], [["CREATE TYPE mood"], ["b"], []]),
            // What the migration drops by itself is made anew.
            (
                [["+mood"], ["drop table a", "DROP TYPE mood"], ["+mood"]],
                [["CREATE TYPE mood"], ["drop table a", "DROP TYPE mood"], ["CREATE TYPE mood"]]
            ),
            (
                [["+mood"], ["drop type if exists \"mood\" cascade", "+mood"]],
                [
                    ["CREATE TYPE mood"],
                    ["drop type if exists \"mood\" cascade", "CREATE TYPE mood"],
                ]
            ),
            (
                [["+mood"], ["DROP TYPE moody", "DROP TABLE mood"], ["+mood"]],
                [["CREATE TYPE mood"], ["DROP TYPE moody", "DROP TABLE mood"], []]
            ),
        ])
    func onceInARun(steps: [[String]], expected: [[String]]) throws {
        let revisions = steps.enumerated().map { index, texts in
            Revision(
                id: "r\(index)", downRevisions: index > 0 ? ["r\(index - 1)"] : [],
                upgrade: Self.script(texts))
        }
        let graph = try RevisionGraph(revisions)
        let plan = try graph.upgrade(to: "heads", from: []).asOneRun(of: graph)
        let run = plan.steps.map { step in
            let script = graph[step.revision]?.script(.up)
            return script?.running(after: step.namedBefore).script.statements.map(\.text) ?? []
        }
        #expect(run == expected)
        #expect(plan.isOneRun == (steps.flatMap { $0 }.count != expected.flatMap { $0 }.count))
    }

    @Test("a run that begins behind the step that made the type makes it again, as Alembic does")
    func laterRun() throws {
        let graph = try RevisionGraph([
            Revision(id: "a", upgrade: Self.script(["+mood"])),
            Revision(id: "b", downRevisions: ["a"], upgrade: Self.script(["+mood"])),
        ])
        func plan(_ from: [String], _ types: Set<NamedType> = []) throws -> RevisionPlan {
            try graph.upgrade(to: "heads", from: from).asOneRun(of: graph, after: types)
        }
        #expect(try plan([]).steps.map(\.namedBefore) == [[], [Self.mood]])
        #expect(try plan(["a"]).steps.map(\.namedBefore) == [[]])
        // The rest of a run that has named the type.
        #expect(try plan(["a"], [Self.mood]).steps.map(\.namedBefore) == [[Self.mood]])
        #expect(try plan([]).namedAfter == [Self.mood])
    }

    @Test("what a step of Python's turns out to have named is not made again behind it")
    func namedByPython() throws {
        let graph = try RevisionGraph([
            Revision(id: "a", upgrade: Self.script(["+size"])),
            Revision(id: "b", downRevisions: ["a"], pythonReasons: [.up: "asks"]),
            Revision(id: "c", downRevisions: ["b"], upgrade: Self.script(["+mood", "+size"])),
        ])
        var progress = TargetProgress(
            plan: try graph.upgrade(to: "heads", from: []).asOneRun(of: graph), from: [])
        progress.advance(by: 1)
        progress.name([Self.mood], of: graph)
        let size = NamedType(kind: "pg_enum", schema: nil, name: "size")
        #expect(progress.plan.steps.map(\.namedBefore) == [[], [size], [size, Self.mood]])
        #expect(progress.plan.steps.map(\.revision) == ["a", "b", "c"])
        progress.advance(by: 2)
        progress.name([Self.mood], of: graph)
        #expect(progress.isComplete)
    }

    @Test("a step of Python's is told what the run has named before it")
    func python() throws {
        let graph = try RevisionGraph([
            Revision(id: "a", upgrade: Self.script(["+mood"])),
            Revision(id: "b", downRevisions: ["a"], pythonReasons: [.up: "it inspects"]),
        ])
        let plan = try graph.upgrade(to: "heads", from: []).asOneRun(of: graph)
        #expect(plan.steps.map(\.namedBefore) == [[], [Self.mood]])
    }

    @Test("a type keeps its mark when the tenant's schema is put into the statement")
    func placed() throws {
        let place = String(SchemaPlaceholder.identifier)
        let script = StepScript(statements: [
            SQLStatement(text: "CREATE TYPE \(place).mood", line: 0, namedType: Self.mood)
        ])
        let placed = script.placed(in: try SchemaName("acme"))
        #expect(placed.statements.map(\.namedType) == [Self.mood])
        #expect(placed.running(after: [Self.mood]).script.statements.isEmpty)
    }

    @Test("a folder of SQL is refused where a step depends on the run, and no sooner")
    func rendered() throws {
        func problems(_ second: [String]) throws -> [String] {
            let graph = try RevisionGraph([
                Revision(id: "a", upgrade: Self.script(["+mood"]), file: "a.py"),
                Revision(
                    id: "b", downRevisions: ["a"], upgrade: Self.script(second), file: "b.py"),
            ])
            do {
                _ = try RenderedFolder(RevisionSet(graph: graph))
                return []
            } catch let error {
                return error.problems.compactMap(\.file)
            }
        }
        #expect(try problems(["+size"]) == [])
        #expect(try problems(["DROP TYPE mood", "+mood"]) == [])
        #expect(try problems(["+mood"]) == ["b.py"])
    }
}
