internal import Engine
internal import PostgresClient
internal import Scheduler
internal import Support
internal import Tenants

extension JobEnvironment {
    /// How long a question waits for a place at its server.
    private static let longestSlotWait = Duration.seconds(10)

    /// Opens a connection to a target for one question, and closes it whatever comes of that.
    func withConnection<R: Sendable>(
        to target: Target, _ body: (PostgresConnection) async throws(PostgresError) -> R
    ) async throws(PostgresError) -> R {
        let worker = makeConnection()
        let result: Result<R, PostgresError>
        do throws(PostgresError) {
            let connection = try await worker.connection(
                for: target.connection, schemas: 1,
                slotUntil: .after(JobEnvironment.longestSlotWait))
            result = .success(try await body(connection))
        } catch {
            result = .failure(error)
        }
        await worker.close()
        return try result.get()
    }
}
