import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import JobModel
@testable import PostgresClient
@testable import Revisions
@testable import Support

/// Steps that a program of the project's own runs, with one that is a few lines of the test's.
@Suite(.timeLimit(.minutes(2))) struct ExternalRunnerTests {
    /// Moves the version rows in a session of its own and is ended before it could say so.
    private final class Ended: ExternalStepRunner {
        let database: TestDatabase
        /// What its session does after it was ended.
        let ending: String
        private let sessions = Mutex<[Task<Void, Never>]>([])

        init(database: TestDatabase, ending: String) {
            self.database = database
            self.ending = ending
        }

        func run(
            _ step: ExternalStep, report: @escaping @Sendable ([String]) -> Void
        ) async throws(TenantFailure) -> ExternalAnswer {
            let (isThere, mark) = AsyncStream<Void>.makeStream()
            let session = Task { [database, ending] in
                let connection = try? await PostgresConnection.connect(
                    try database.parameters, deadline: .after(.seconds(10)))
                _ = try? await connection?.execute(
                    "BEGIN; UPDATE a.alembic_version SET version_num = 'r2'")
                mark.finish()
                _ = try? await connection?.execute("SELECT pg_sleep(0.5); \(ending)")
                await connection?.close()
            }
            sessions.withLock { $0.append(session) }
            for await _ in isThere {}
            throw TenantFailure(code: .alembic(.pythonDied), message: "the worker was ended")
        }

        func readRows(_ step: ExternalStep) async throws(TenantFailure) -> [String] { [] }

        func stamp(
            _ step: ExternalStep, _ rows: [String]
        ) async throws(TenantFailure) -> ExternalAnswer { ExternalAnswer() }

        func end(_ visit: ExternalVisit) async {
            for session in sessions.withLock({ $0 }) { await session.value }
        }
    }

    @Test(
        "the rows are read once the session of a program that was ended can move them no more",
        arguments: [("COMMIT", "r2", TenantState.succeeded), ("ROLLBACK", "r1", .failed)])
    func ended(ending: String, revision last: String, state: TenantState) async throws {
        try await EngineRig.with { rig in
            let graph = try RevisionGraph([
                revision("r1", up: "CREATE TABLE t (id int)"),
                Revision(
                    id: "r2", downRevisions: ["r1"],
                    pythonReasons: [.up: "reads the database"]),
            ])
            _ = try await rig.apply(task(.upgrade, "r1", graph))
            let engine = SQLEngine(
                task: task(.upgrade, "head", graph),
                options: SQLEngine.Options(
                    session: SessionSettings(
                        lockTimeoutMilliseconds: 500, statementTimeoutMilliseconds: 0),
                    scope: .step, targetLockTimeout: .seconds(10)),
                journal: rig.journal, external: Ended(database: rig.database, ending: ending))
            var work = try rig.work()
            let outcome = await rig.attempt(&work, by: engine)
            #expect(outcome.state == state)
            #expect(outcome.toRevisions == [last])
            #expect(try await rig.rows() == [last])
        }
    }
}
