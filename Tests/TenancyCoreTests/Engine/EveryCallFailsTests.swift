import CFailingPQ
import TestSupport
import Testing

@testable import Engine
@testable import JobModel
@testable import PostgresClient
@testable import Revisions

/// Breaks the connection at the first call of libpq, at the second, and so on, until a run needs no
/// more calls; each time the next attempts must come to the same end.
@Suite("Every call of libpq fails once", .serialized)
struct EveryCallFailsTests {
    private static let note = "INSERT INTO log (note) VALUES "

    /// Steps that commit as a whole, and one that does not; each notes its runs.
    private func graph() throws -> RevisionGraph {
        func script(_ sql: String, alone: Bool = false) throws -> StepScript {
            StepScript(statements: try SQLSplitter.split(sql), isTransactional: !alone)
        }
        let note = EveryCallFailsTests.note
        return try RevisionGraph([
            Revision(
                id: "r1",
                upgrade: try script(
                    "CREATE TABLE log (id bigint GENERATED ALWAYS AS IDENTITY, note text); "
                        + "CREATE TABLE t (id int); \(note)('up r1')"),
                downgrade: try script("DROP TABLE t")),
            Revision(
                id: "r2", downRevisions: ["r1"],
                upgrade: try script("ALTER TABLE t ADD COLUMN x int; \(note)('up r2')"),
                downgrade: try script("ALTER TABLE t DROP COLUMN x; \(note)('down r2')")),
            Revision(
                id: "r3", downRevisions: ["r2"],
                upgrade: try script(
                    "INSERT INTO t VALUES (1, 1); CREATE INDEX CONCURRENTLY i ON t (x); "
                        + "\(note)('up r3')", alone: true),
                downgrade: try script(
                    "DROP INDEX CONCURRENTLY i; DELETE FROM t; \(note)('down r3')", alone: true)),
        ])
    }

    /// Runs `operation` with each call failing in turn; `prepare` comes before, `log` is what the
    /// tenant's log must hold afterwards.
    private func breaking(
        _ operation: JobOperation, to target: String, schemas: [String] = ["a"],
        rows: [String], log: String, prepare: (EngineRig) async throws -> Void = { _ in }
    ) async throws -> Int {
        let task = TargetTask(
            operation: operation, target: target, graph: try graph(), createMissingSchemas: true)
        var broken = 0
        while true {
            let isOver = try await EngineRig.with(schemas: schemas) { rig in
                try await prepare(rig)
                failing_pq_arm(rig.parameters.database, Int32(broken + 1))
                var work = try rig.work()
                var outcome = TargetOutcome(state: .failed)
                for _ in 1...5 where outcome.state == .failed {
                    work.isUnfinished = !rig.journal.steps.isEmpty
                    outcome = await rig.attempt(&work, by: rig.engine(task))
                    guard let failure = outcome.failure, outcome.state == .failed else { break }
                    #expect(failure.isRetryable, "call \(broken + 1): \(failure)")
                }
                let calls = failing_pq_disarm()
                #expect(outcome.state == .succeeded, "call \(broken + 1): \(outcome)")
                #expect(outcome.toRevisions?.sorted() == rows, "call \(broken + 1)")
                #expect(try await rig.rows() == rows, "call \(broken + 1)")
                let noted = try await rig.database.psql(
                    "SELECT string_agg(note, ',' ORDER BY id) FROM a.log")
                #expect(noted.split(separator: "\n").first.map(String.init) == log)
                #expect(rig.journal.steps.isEmpty, "call \(broken + 1)")
                let invalid = try await rig.database.psql(
                    "SELECT count(*) FROM pg_index WHERE NOT indisvalid")
                #expect(invalid.hasPrefix("0"), "call \(broken + 1)")
                return calls <= broken
            }
            if isOver { return broken }
            broken += 1
        }
    }

    @Test("steps that commit as a whole come to their end, each of them run once")
    func whole() async throws {
        let calls = try await breaking(.upgrade, to: "r2", rows: ["r2"], log: "up r1,up r2")
        #expect(calls > 5)
    }

    @Test("so do steps outside of transactions, in a schema that had to be made")
    func units() async throws {
        let calls = try await breaking(
            .upgrade, to: "r3", schemas: [], rows: ["r3"], log: "up r1,up r2,up r3")
        #expect(calls > 20)
    }

    @Test("and so do steps back")
    func back() async throws {
        let calls = try await breaking(
            .downgrade, to: "r1", rows: ["r1"], log: "up r1,up r2,up r3,down r3,down r2"
        ) { rig in
            let up = TargetTask(operation: .upgrade, target: "head", graph: try graph())
            #expect(try await rig.apply(up).state == .succeeded)
        }
        #expect(calls > 10)
    }
}
