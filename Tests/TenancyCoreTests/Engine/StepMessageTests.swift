import Testing

@testable import Engine
@testable import PostgresClient
@testable import Revisions
@testable import Tenants

@Suite struct StepMessageTests {
    private func builder(
        _ graph: RevisionGraph, scope: TransactionScope = .step, schema: String? = "tenant_a",
        version: Int = 130_000, runsScripts: Bool = true
    ) throws -> StepMessageBuilder {
        StepMessageBuilder(
            graph: graph,
            target: Target(
                connection: try ConnectionString.parse(Secret("postgresql://h/d")),
                schema: try schema.map { try SchemaName($0) }),
            settings: SessionSettings(
                lockTimeoutMilliseconds: 3_000, statementTimeoutMilliseconds: 0,
                extraSearchPath: [try SchemaName("shared")]),
            scope: scope, serverVersion: version, runsScripts: runsScripts)
    }

    private func progress(_ graph: RevisionGraph, to target: String = "r2") throws -> TargetProgress
    {
        TargetProgress(plan: try graph.upgrade(to: target, from: []), from: [])
    }

    @Test(
        "a step that depends on the server's version gets the statements for that server",
        arguments: [(150_018, "SELECT 10"), (170_000, "SELECT 10"), (180_006, "SELECT 18")])
    func byServer(version: Int, text: String) throws {
        let scripts = ["SELECT 10", "SELECT 18"].map {
            StepScript(statements: [SQLStatement(text: $0, line: 0)])
        }
        let variants = zip([(10, 17), (18, nil)], scripts).map { servers, script in
            ServerVariant(
                servers: ServerVersions(first: servers.0, last: servers.1), script: script)
        }
        let graph = try RevisionGraph([
            Revision(id: "r1", upgrade: scripts[1], variants: [.up: variants])
        ])
        let builder = try builder(graph, version: version)
        let progress = try progress(graph, to: "r1")
        let message = builder.message(for: progress, state: .noTable)
        #expect(message.texts.filter { ["SELECT 10", "SELECT 18"].contains($0) } == [text])
        #expect(!builder.needsPython(progress.plan.steps[0]))
        let old = try self.builder(graph, version: 90_600)
        #expect(old.needsPython(progress.plan.steps[0]))
        #expect(old.script(of: progress.plan.steps[0]) == nil)
    }

    @Test("a message of two steps, as it goes over the wire")
    func golden() throws {
        let graph = try threeTables()
        let message = try builder(graph).message(for: progress(graph), state: .noTable)
        let key = try builder(graph).target.lockKey
        let opening = """
            BEGIN ISOLATION LEVEL READ COMMITTED
            ;
            SET LOCAL lock_timeout = 3000
            ;
            SET LOCAL statement_timeout = 0
            ;
            SET LOCAL search_path TO "tenant_a", "shared"
            ;
            SELECT 1 / pg_try_advisory_xact_lock(\(key))::int
            """
        #expect(
            message.sql == """
                \(opening)
                ;
                CREATE TABLE "tenant_a".alembic_version (version_num VARCHAR(32) NOT NULL, \
                CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))
                ;
                CREATE TABLE t1 (id int PRIMARY KEY)
                ;
                INSERT INTO "tenant_a".alembic_version (version_num) VALUES ('r1')
                ;
                COMMIT
                ;
                \(opening)
                ;
                SELECT 1 / (ARRAY(SELECT version_num::text COLLATE "C" FROM \
                "tenant_a".alembic_version ORDER BY 1) = ARRAY['r1']::text[])::int
                ;
                CREATE TABLE t2 (id int)
                ;
                INSERT INTO t2 SELECT 1 -- one row
                ;
                WITH changed AS (UPDATE "tenant_a".alembic_version SET version_num = 'r2' \
                WHERE version_num = 'r1' RETURNING 1) SELECT 1 / (count(*) = 1)::int FROM changed
                ;
                COMMIT
                """)
    }

    @Test(
        "the number of completed parts tells the steps that are durable", arguments: [true, false])
    func committedSteps(isByStep: Bool) throws {
        let graph = try threeTables()
        let builder = try builder(graph, scope: isByStep ? .step : .target)
        let message = builder.message(for: try progress(graph), state: .noTable)
        let commits = message.parts.indices.filter {
            if case .commit = message.parts[$0] { true } else { false }
        }
        #expect(commits.count == (isByStep ? 2 : 1))
        var expected = 0
        for completed in 0...message.parts.count {
            if commits.contains(completed - 1) { expected += isByStep ? 1 : 2 }
            #expect(message.committedSteps(after: completed) == expected)
        }
        #expect(message.steps == 2)
        #expect(message.parts.last == .commit(step: isByStep ? 1 : nil))
    }

    @Test("a position in the message is found in the part that holds it, in Unicode scalars")
    func offsets() throws {
        let graph = try RevisionGraph([
            revision("r1", up: "SELECT '\u{1F600}e\u{301}';\nSELECT nosuch")
        ])
        let message = try builder(graph).message(for: progress(graph, to: "r1"), state: .rows([]))
        let part = try #require(message.parts.firstIndex(of: .statement(step: 0, index: 1)))
        let sql = Array(message.sql.unicodeScalars)
        let word = Array("nosuch".unicodeScalars)
        let place = try #require(sql.indices.first { sql[$0...].starts(with: word) })
        #expect(message.offset(ofPosition: place + 1, inPart: part) == 7)
        #expect(message.offset(ofPosition: place - 6, inPart: part) == 0)
        #expect(message.offset(ofPosition: place - 7, inPart: part) == nil)
        #expect(message.offset(ofPosition: place + 7, inPart: part) == nil)
    }

    @Test(
        "a step that may make an object without a lock on its schema takes one first",
        arguments: [
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1", "tenant_a", true),
            ("CREATE TABLE t (id int)", "tenant_a", false),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1", nil, false),
        ] as [(String, String?, Bool)])
    func schemaLock(sql: String, schema: String?, isLocked: Bool) throws {
        let graph = try RevisionGraph([revision("r1", up: sql)])
        let message = try builder(graph, schema: schema)
            .message(for: progress(graph, to: "r1"), state: .rows([]))
        let place = message.texts.firstIndex { $0.hasPrefix("CREATE TABLE IF NOT EXISTS") }
        #expect((place != nil) == isLocked)
        if let place {
            #expect(message.parts[place] == .guardRows)
            #expect(message.parts[place + 1] == .statement(step: 0, index: 0))
        }
    }

    @Test("a stamp writes the version rows and runs nothing")
    func stamp() throws {
        let graph = try threeTables()
        let plan = try graph.stamp(["r2"], from: [], purge: false)
        let message = try builder(graph, runsScripts: false).message(
            for: TargetProgress(plan: plan, from: []), state: .rows([]))
        #expect(!message.sql.contains("CREATE TABLE"))
        #expect(message.sql.contains("VALUES ('r2')"))
    }

    @Test("a missing schema is created under the lock, before its table")
    func missingSchema() throws {
        let graph = try threeTables()
        let message = try builder(graph).message(for: progress(graph), state: .missingSchema)
        let parts = message.parts.filter { $0 != .opening }
        #expect(
            parts.prefix(4) == [.lock, .createSchema, .guardRows, .statement(step: 0, index: 0)])
        #expect(message.sql.contains(#"CREATE SCHEMA "tenant_a""#))
    }

    @Test("steps beyond a megabyte wait for the next message, but never alone")
    func size() throws {
        let long = "SELECT '\(String(repeating: "x", count: 700_000))'"
        let graph = try RevisionGraph([
            revision("r1", up: long), revision("r2", after: ["r1"], up: long),
            revision("r3", after: ["r2"], up: long),
        ])
        var progress = try progress(graph, to: "r3")
        let first = try builder(graph).message(for: progress, state: .rows([]))
        #expect(first.steps == 2)
        progress.advance(by: first.steps)
        let second = try builder(graph).message(for: progress, state: .rows(["r2"]))
        #expect(second.steps == 1)
        #expect(second.parts.last == .commit(step: 2))
    }

    @Test(
        "statements of a dead client are ended where the server can",
        arguments: [(130_022, false), (140_000, true), (180_000, true)])
    func connectionCheck(version: Int, expected: Bool) throws {
        let graph = try threeTables()
        let message = try builder(graph, schema: nil, version: version).message(
            for: progress(graph), state: .rows([]))
        #expect(message.sql.contains("client_connection_check_interval") == expected)
        #expect(!message.sql.contains("search_path"))
    }
}
