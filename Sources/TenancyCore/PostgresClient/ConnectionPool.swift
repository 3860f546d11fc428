internal import Support
internal import Synchronization

/// A few connections to one database, opened when they are needed and kept for the next use.
package final class ConnectionPool: Sendable {
    private let parameters: ConnectionParameters
    private let connectTimeout: Duration
    private let slots: ServerSlots
    private let idle = Mutex<[PostgresConnection]>([])
    private let onNotice: @Sendable (PostgresNotice) -> Void

    /// A pool of at most `limit` connections; a further caller waits for one.
    package init(
        _ parameters: ConnectionParameters, limit: Int, connectTimeout: Duration,
        onNotice: @escaping @Sendable (PostgresNotice) -> Void = { _ in }
    ) {
        self.parameters = parameters
        self.connectTimeout = connectTimeout
        self.slots = ServerSlots(limit: limit)
        self.onNotice = onNotice
    }

    /// Runs `body` with a connection. It runs once more, on a new one, when a connection that had
    /// been idle turns out to be dead; so `body` must be a thing that may be done twice.
    package func withConnection<R: Sendable>(
        _ body: @Sendable (PostgresConnection) async throws(PostgresError) -> R
    ) async throws(PostgresError) -> R {
        try await slots.acquire(parameters.serverKey)
        let result: Result<R, PostgresError>
        do throws(PostgresError) {
            result = .success(try await attempt(body))
        } catch {
            result = .failure(error)
        }
        await slots.release(parameters.serverKey)
        return try result.get()
    }

    private func attempt<R: Sendable>(
        _ body: @Sendable (PostgresConnection) async throws(PostgresError) -> R
    ) async throws(PostgresError) -> R {
        if let used = idle.withLock({ $0.popLast() }), await used.isOpen {
            do throws(PostgresError) {
                return try await use(used, body)
            } catch {
                guard case .connectionLost = error else { throw error }
            }
        }
        let fresh = try await PostgresConnection.connect(
            parameters, deadline: .after(connectTimeout), onNotice: onNotice)
        return try await use(fresh, body)
    }

    private func use<R: Sendable>(
        _ connection: PostgresConnection,
        _ body: @Sendable (PostgresConnection) async throws(PostgresError) -> R
    ) async throws(PostgresError) -> R {
        do throws(PostgresError) {
            let result = try await body(connection)
            idle.withLock { $0.append(connection) }
            return result
        } catch {
            // Only a clean connection goes back; a transaction left open ends with its connection.
            if await connection.isOpen, await !connection.isInTransaction {
                idle.withLock { $0.append(connection) }
            } else {
                await connection.close()
            }
            throw error
        }
    }

    /// Closes the connections that are not in use.
    package func close() async {
        let connections = idle.withLock { idle in
            defer { idle.removeAll() }
            return idle
        }
        for connection in connections { await connection.close() }
    }
}
