import Testing

@testable import Engine
@testable import PostgresClient
@testable import Revisions
@testable import Tenants

@Suite struct StepKindTests {
    /// One step, and what is known when its runner is chosen.
    struct Situation: Sendable {
        var up = "CREATE TABLE t (id int)"
        var isPython = false
        var isLoose = false
        var isPostgres = true
        var serverVersion = 150_000
        var runsScripts = true
        var mayBeUnfinished = false

        var revision: Revision {
            get throws {
                if isPython {
                    return Revision(id: "r1", pythonReasons: [.up: "reads the database"])
                }
                let script = StepScript(
                    statements: try SQLSplitter.split(up), isTransactional: isTransactional)
                return Revision(id: "r1", upgrade: script)
            }
        }

        private var isTransactional: Bool { !isLoose && !up.contains("CONCURRENTLY") }
    }

    enum Expected {
        case transactional, nonTransactional, external, foreign
    }

    @Test(
        "a step gets the runner that can apply it",
        arguments: [
            ("statements that a transaction holds", Situation(), .transactional),
            (
                "the same, begun by a release or file that had them otherwise",
                Situation(mayBeUnfinished: true), .nonTransactional
            ),
            (
                "an index beside the application",
                Situation(up: "CREATE INDEX CONCURRENTLY i ON t (id)"), .nonTransactional
            ),
            ("transaction: off", Situation(isLoose: true), .nonTransactional),
            (
                "a value that this server adds in a transaction",
                Situation(up: "ALTER TYPE e ADD VALUE 'a'"), .transactional
            ),
            (
                "the same on a server that does not",
                Situation(up: "ALTER TYPE e ADD VALUE 'a'", serverVersion: 110_000),
                .nonTransactional
            ),
            (
                "a stamp of a step that runs outside transactions",
                Situation(isLoose: true, runsScripts: false, mayBeUnfinished: true), .transactional
            ),
            ("code of the project", Situation(isPython: true), .external),
            (
                "code of the project that has committed a part",
                Situation(isPython: true, mayBeUnfinished: true), .external
            ),
            (
                "a stamp of code of the project", Situation(isPython: true, runsScripts: false),
                .transactional
            ),
            ("another database", Situation(isPostgres: false), .foreign),
            (
                "a stamp on another database", Situation(isPostgres: false, runsScripts: false),
                .foreign
            ),
        ] as [(String, Situation, Expected)])
    func chosen(name: String, situation: Situation, expected: Expected) throws {
        let graph = try RevisionGraph([situation.revision])
        let builder = StepMessageBuilder(
            graph: graph,
            target: Target(
                connection: try ConnectionString.parse(Secret("postgresql://h/d")),
                schema: try SchemaName("tenant_a")),
            settings: SessionSettings(
                lockTimeoutMilliseconds: 3_000, statementTimeoutMilliseconds: 0),
            scope: .step, serverVersion: situation.serverVersion,
            runsScripts: situation.runsScripts)
        let step = try #require(try graph.upgrade(to: "r1", from: []).steps.first)
        let kind = StepKind(
            of: step, builder: situation.isPostgres ? builder : nil,
            mayBeUnfinished: situation.mayBeUnfinished)
        switch (kind, expected) {
        case (.transactional, .transactional), (.external, .external), (.foreign, .foreign): break
        case (.nonTransactional(let script), .nonTransactional):
            #expect(script.statements.map(\.text) == [situation.up])
        default: Issue.record("\(name): \(kind)")
        }
    }
}
