package import Support

/// The one connection a worker holds at a time: reused while its targets lie in the same database,
/// opened anew for another, and recycled before the backend's caches grow too large.
///
/// A backend keeps about 34 KiB for each schema of five tables that it has touched, and nothing but
/// its end gives them back; reconnecting every 500 schemas costs nothing that can be measured.
///
/// Whoever makes one closes it: an open connection has a slot of its server.
package final class WorkerConnection {
    package static let migratedSchemas = 500
    /// Reading a version table alone leaves a fifth of that behind.
    package static let readSchemas = 2_500
    /// How long a slot is kept from those who wait for one. A connection that is opened anew costs
    /// as much as a few tenants, so a slot does not change hands with each of them.
    package static let quantum = Duration.seconds(1)

    let thread: ConnectionThread
    private let slots: ServerSlots
    private let connectTimeout: Duration
    private let schemaLimit: Int
    private let quantum: Duration
    private let onNotice: @Sendable (PostgresNotice) -> Void
    private var current: (parameters: ConnectionParameters, connection: PostgresConnection)?
    private var uses = 0
    private var endOfQuantum = Deadline.never

    package init(
        thread: ConnectionThread = ConnectionThread(), slots: ServerSlots, connectTimeout: Duration,
        schemaLimit: Int = migratedSchemas, quantum: Duration = WorkerConnection.quantum,
        onNotice: @escaping @Sendable (PostgresNotice) -> Void
    ) {
        self.thread = thread
        self.slots = slots
        self.connectTimeout = connectTimeout
        self.schemaLimit = schemaLimit
        self.quantum = quantum
        self.onNotice = onNotice
    }

    /// Which database the open connection leads to, if there is one.
    package var databaseKey: String? { current?.parameters.databaseKey }

    /// An open connection for `parameters`, with `schemas` more schemas counted against its age. A new
    /// one waits for a slot of its server until `deadline`.
    ///
    /// - Throws: `connectFailed`, `cancelled` or `deadlinePassed`.
    package func connection(
        for parameters: ConnectionParameters, schemas: Int, slotUntil deadline: Deadline = .never
    ) async throws(PostgresError) -> PostgresConnection {
        if let (held, connection) = current {
            let isFresh = uses + schemas <= schemaLimit || uses == 0
            if held == parameters, isFresh, await connection.isOpen {
                uses += schemas
                return connection
            }
            await close()
        }
        let server = parameters.serverKey
        guard slots.breakers.allowsConnection(to: server) else {
            // Its own cause, which would be the same with the server back, is not hidden behind that.
            let refusal = await PostgresConnection.clientRefusal(of: parameters, on: thread)
            throw refusal.map { .connectFailed($0) } ?? WorkerConnection.stillUnavailable
        }
        try await slots.acquire(server, until: deadline)
        do throws(PostgresError) {
            let connection = try await PostgresConnection.connect(
                parameters, on: thread, deadline: .after(connectTimeout), onNotice: onNotice)
            slots.breakers.recordSuccess(of: server)
            await slots.wasOpen(server)
            current = (parameters, connection)
            uses = schemas
            endOfQuantum = .after(quantum)
            return connection
        } catch {
            await record(error, server)
            await slots.release(server)
            throw error
        }
    }

    /// Other workers need not find out for themselves that a server is unavailable or full.
    private func record(_ error: PostgresError, _ server: String) async {
        guard case .connectFailed(let refusal) = error else {
            // Cancelled before it was known whether the server answers.
            return slots.breakers.returnProbe(of: server)
        }
        switch refusal.origin {
        case .client: slots.breakers.returnProbe(of: server)
        case .network: slots.breakers.recordFailure(of: server, isUnavailable: false)
        case .server(SQLState.tooManyConnections):
            let isAlone = await slots.used(at: server) <= 1
            if isAlone { slots.breakers.recordFailure(of: server, isUnavailable: true) }
            await slots.wasFull(server)
        case .server(SQLState.cannotConnectNow), .server(SQLState.adminShutdown),
            .server(SQLState.crashShutdown):
            slots.breakers.recordFailure(of: server, isUnavailable: true)
        // How a pooler says that it cannot reach the server behind it.
        case .server(let state) where SQLState.isConnectionException(state):
            slots.breakers.recordFailure(of: server, isUnavailable: false)
        case .server: slots.breakers.recordSuccess(of: server)
        }
    }

    private static let stillUnavailable = PostgresError.connectFailed(
        ConnectRefusal(
            .server(sqlState: SQLState.cannotConnectNow),
            "the server is unavailable; it is probed again in a moment"))

    /// Closes the connection if somebody waits for its slot and its quantum is over.
    package func yieldIfContended() async {
        guard let current, endOfQuantum.hasPassed else { return }
        if await slots.isContended(current.parameters.serverKey) {
            await close()
        } else {
            endOfQuantum = .after(quantum)
        }
    }

    /// Closes the connection and gives its slot back.
    package func close() async {
        guard let (parameters, connection) = current else { return }
        current = nil
        await connection.close()
        await slots.release(parameters.serverKey)
    }
}
