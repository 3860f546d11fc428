internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
internal import Tenants

/// An attempt's way to its target: the worker's connection, and who blocks what it sends.
final class TargetSession {
    let target: Target
    let tenants: [TenantName]
    let settings: SessionSettings
    private let worker: WorkerConnection
    private let watch: LockWatch?
    /// Whether steps need one session throughout, which a transaction pooler does not give.
    private var isPastPooler = false
    private var isCounted = false
    /// The sessions that blocked the last message.
    private(set) var blockers: [BlockingSession] = []
    /// What an operator should know of the target although its steps succeeded.
    var warnings: [String] = []

    init(
        target: Target, tenants: [TenantName], settings: SessionSettings, worker: WorkerConnection,
        watch: LockWatch?
    ) {
        self.target = target
        self.tenants = tenants
        self.settings = settings
        self.worker = worker
        self.watch = watch
    }

    /// The worker's connection to the target, which counts as one schema more for its backend.
    func connection() async throws(PostgresError) -> PostgresConnection {
        let parameters = isPastPooler ? target.direct ?? target.connection : target.connection
        let connection = try await worker.connection(
            for: parameters, schemas: isCounted ? 0 : 1)
        isCounted = true
        return connection
    }

    /// The same, whose failure ends the attempt.
    func reach() async throws(AttemptStop) -> PostgresConnection {
        do throws(PostgresError) {
            return try await connection()
        } catch {
            throw AttemptStop(error)
        }
    }

    /// A connection that keeps one session of the server, instead of `connection`.
    func bypassingPooler(
        from connection: PostgresConnection
    ) async throws(AttemptStop) -> PostgresConnection {
        guard target.direct != nil && !isPastPooler else { return connection }
        isPastPooler = true
        return try await reach()
    }

    func close() async {
        await worker.close()
    }

    /// Sends SQL, and learns who blocks it if that takes long.
    func send(
        _ sql: String, on connection: PostgresConnection
    ) async throws(PostgresError) -> [StatementResult] {
        let token = beginWatch(connection)
        defer { endWatch(token) }
        return try await connection.execute(sql)
    }

    /// Reads the target's version rows.
    func read(_ table: VersionTableName) async throws(PostgresError) -> VersionState {
        let connection = try await connection()
        let reader = VersionReader(settings: settings, table: table)
        let token = beginWatch(connection)
        defer { endWatch(token) }
        return try await reader.read([target.schema], on: connection)[0]
    }

    private func beginWatch(_ connection: PostgresConnection) -> Int? {
        watch?.begin(
            target.connection, backend: connection.backendID, tenants: tenants.map(\.id))
    }

    private func endWatch(_ token: Int?) {
        blockers = token.flatMap { watch?.end($0) } ?? []
    }
}

/// The connection of one turn, with the messages that its server understands.
struct PostgresChannel {
    let session: TargetSession
    let connection: PostgresConnection
    let builder: StepMessageBuilder

    /// Sends a message.
    ///
    /// - Returns: `nil` when it ran to its end.
    func send(
        _ message: StepMessage, state: VersionState, stage: InterruptedMessage.Stage
    ) async -> InterruptedMessage? {
        do throws(PostgresError) {
            _ = try await session.send(message.sql, on: connection)
            return nil
        } catch {
            return InterruptedMessage(
                message: message, error: error, state: state, channel: self, stage: stage)
        }
    }

    func rollBack() async {
        do throws(PostgresError) {
            _ = try await connection.execute("ROLLBACK", deadline: .after(.seconds(10)))
        } catch {
            // What failed stays the cause; a connection that cannot roll back is not used again.
            await connection.close()
        }
    }
}
