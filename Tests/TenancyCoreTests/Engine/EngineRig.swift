import Synchronization
import TestSupport

@testable import Engine
@testable import JobModel
@testable import PostgresClient
@testable import Tenants

/// Engines and workers in a database of a test's own.
struct EngineRig: Sendable {
    let database: TestDatabase
    let slots: ServerSlots
    let parameters: ConnectionParameters
    let journal = MemoryJournal()

    /// Runs `body` with a rig in a new database and insists that no slot and no lock is left.
    static func with<R: Sendable>(
        schemas: [String] = ["a"], _ body: (EngineRig) async throws -> R
    ) async throws -> R {
        try await TestCluster.withDatabase { database in
            let sql = schemas.map { "CREATE SCHEMA \"\($0)\";" }.joined()
            if !sql.isEmpty { try await database.psql(sql) }
            let slots = ServerSlots(limit: 4)
            let parameters = try database.parameters
            let result = try await body(
                EngineRig(database: database, slots: slots, parameters: parameters))
            let used = await slots.used(at: parameters.serverKey)
            if used != 0 { throw Leak(what: "\(used) slots") }
            // A session that was closed a moment ago may still be ending.
            let isFree = try await eventually { try await database.locks() == 0 }
            if !isFree { throw Leak(what: "an advisory lock") }
            return result
        }
    }

    struct Leak: Error {
        let what: String
    }

    func target(_ schema: String? = "a") throws -> Target {
        Target(connection: parameters, schema: try schema.map { try SchemaName($0) })
    }

    func engine(
        _ task: TargetTask, scope: TransactionScope = .step, lockTimeout: Int = 500,
        targetLockTimeout: Duration = .seconds(600),
        noteStart: @escaping SQLEngine.StartNote = { (_, _) async throws(TenantFailure) in }
    ) -> SQLEngine {
        SQLEngine(
            task: task,
            options: SQLEngine.Options(
                session: SessionSettings(
                    lockTimeoutMilliseconds: lockTimeout, statementTimeoutMilliseconds: 0),
                scope: scope, targetLockTimeout: targetLockTimeout),
            journal: journal, noteStart: noteStart)
    }

    /// One attempt on a schema; nothing of it is known before.
    func apply(
        _ task: TargetTask, to schema: String? = "a", scope: TransactionScope = .step,
        knowing state: VersionState? = nil
    ) async throws -> TargetOutcome {
        var work = try work(schema, knowing: state)
        return await attempt(&work, by: engine(task, scope: scope))
    }

    /// One attempt by a worker of its own.
    func attempt(_ work: inout TargetWork, by engine: SQLEngine) async -> TargetOutcome {
        let worker = WorkerConnection(
            slots: slots, connectTimeout: .seconds(10), onNotice: { _ in })
        let outcome = await engine.migrate(&work, by: worker)
        await worker.close()
        return outcome
    }

    func work(_ schema: String? = "a", knowing state: VersionState? = nil) throws -> TargetWork {
        var work = TargetWork(
            target: try target(schema), tenants: [TenantName(id: "t", identifier: "t")],
            state: state)
        work.isUnfinished = journal.steps[work.target] != nil
        return work
    }

    /// The version rows, sorted.
    func rows(_ schema: String = "a") async throws -> [String] {
        let text = try await database.psql(
            "SELECT version_num FROM \(schema).alembic_version ORDER BY 1")
        return text.split(separator: "\n").map(String.init)
    }

    /// The tables of a schema but for the version table, sorted.
    func tables(_ schema: String = "a") async throws -> [String] {
        let text = try await database.psql(
            "SELECT tablename FROM pg_tables WHERE schemaname = '\(schema)' "
                + "AND tablename <> 'alembic_version' ORDER BY 1")
        return text.split(separator: "\n").map(String.init)
    }
}

/// A journal that a test can read and write, and that fails where it is told to.
final class MemoryJournal: StepJournal {
    struct State {
        var steps: [Target: UnfinishedStep] = [:]
        var builder: Target?
        var writes = 0
        /// The write that fails, counted from 1.
        var failsAt: Int?
    }

    private let state = Mutex(State())

    var steps: [Target: UnfinishedStep] { state.withLock { $0.steps } }
    var builder: Target? {
        get { state.withLock { $0.builder } }
        set { state.withLock { $0.builder = newValue } }
    }

    func put(_ step: UnfinishedStep?, for target: Target) {
        state.withLock { $0.steps[target] = step }
    }

    /// Lets the write after so many fail, as when the control database goes away.
    func fail(atWrite number: Int?) {
        state.withLock { state in
            state.writes = 0
            state.failsAt = number
        }
    }

    func find(_ target: Target) async throws(TenantFailure) -> UnfinishedStep? {
        steps[target]
    }

    func write(
        _ step: UnfinishedStep, of target: Target, tenants: [TenantName]
    ) async throws(TenantFailure) {
        let isWritten = state.withLock { state in
            state.writes += 1
            if state.writes == state.failsAt { return false }
            state.steps[target] = step
            return true
        }
        if !isWritten {
            throw TenantFailure(
                code: .job(.controlDatabaseUnavailable), message: "away", isRetryable: true)
        }
    }

    func remove(_ target: Target) async throws(TenantFailure) {
        put(nil, for: target)
    }

    func acquireBuildPlace(_ target: Target) async throws(TenantFailure) -> Bool {
        state.withLock { state in
            if state.builder == nil { state.builder = target }
            return state.builder == target
        }
    }

    func releaseBuildPlace(_ target: Target) async throws(TenantFailure) {
        state.withLock { if $0.builder == target { $0.builder = nil } }
    }
}

extension TestDatabase {
    /// Advisory locks that are held in this database.
    func locks() async throws -> Int {
        let text = try await psql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = "
                + "(SELECT oid FROM pg_database WHERE datname = current_database())")
        return Int(text.filter(\.isNumber)) ?? -1
    }

    /// Ends the sessions that sleep in a statement of this database; the server has others.
    static let terminateSleepers = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep'
        """

    /// Waits until a client of this database sleeps in a statement (`pg_sleep`).
    func sleeps() async throws -> Bool {
        try await shows("wait_event = 'PgSleep'")
    }

    /// Waits until pg_stat_activity shows a client of this database with this condition.
    func shows(_ condition: String) async throws -> Bool {
        try await eventually {
            let found = try await psql(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    + "AND pid <> pg_backend_pid() AND \(condition)")
            return !found.hasPrefix("0")
        }
    }
}
