package import PostgresClient
internal import Support
internal import Tenants

/// Opens connections to tenants for single questions, beside those of jobs and under the same bounds.
package struct TenantConnections: Sendable {
    /// How long a question waits for a place at its server.
    private static let longestSlotWait = Duration.seconds(10)

    private let workers: WorkerConnections

    package init(_ workers: WorkerConnections) {
        self.workers = workers
    }

    /// Opens a connection to a target, and closes it however `body` ends.
    func withConnection<R: Sendable>(
        to target: Target, _ body: (PostgresConnection) async throws(PostgresError) -> R
    ) async throws(PostgresError) -> R {
        let worker = workers.make()
        let result: Result<R, PostgresError>
        do throws(PostgresError) {
            let connection = try await worker.connection(
                for: target.connection, schemas: 1,
                slotUntil: .after(TenantConnections.longestSlotWait))
            result = .success(try await body(connection))
        } catch {
            result = .failure(error)
        }
        await worker.close()
        return try result.get()
    }
}
