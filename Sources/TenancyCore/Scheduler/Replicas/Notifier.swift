internal import ControlStore
package import Logging
package import PostgresClient
internal import Support

/// Listens for notifications of other replicas on the control database (LISTEN).
///
/// They only save time: whoever waits for one polls as well. Behind a transaction pooler none arrive.
package struct Notifier: Sendable {
    private static let shortestPause = Duration.seconds(1)
    private static let longestPause = Duration.seconds(30)
    /// A connection that says nothing for so long is asked whether it is still there.
    private static let keepAliveInterval = Duration.seconds(60)

    private let parameters: ConnectionParameters
    private let connectTimeout: Duration
    private let logger: Logger

    package init(
        _ parameters: ConnectionParameters, connectTimeout: Duration, logger: Logger
    ) {
        self.parameters = parameters
        self.connectTimeout = connectTimeout
        self.logger = logger
    }

    /// Passes each notification on the channel on, until the task is cancelled.
    func listen(to channel: String, _ onNotification: @Sendable (ReplicaNotification) async -> Void)
        async
    {
        var backoff = Backoff(from: Notifier.shortestPause, upTo: Notifier.longestPause)
        while !Task.isCancelled {
            do throws(PostgresError) {
                let connection = try await PostgresConnection.connect(
                    parameters, deadline: .after(connectTimeout))
                backoff.reset()
                try await receive(connection, channel, onNotification)
            } catch {
                if Task.isCancelled { return }
                logger.info(
                    "Cannot listen for notifications of other replicas, retrying",
                    metadata: ["reason": "\(error)"])
            }
            try? await Task.sleep(for: backoff.next())
        }
    }

    private func receive(
        _ connection: PostgresConnection, _ channel: String,
        _ onNotification: @Sendable (ReplicaNotification) async -> Void
    ) async throws(PostgresError) {
        let result: Result<Void, PostgresError>
        do throws(PostgresError) {
            let timeout = Duration.seconds(10)
            _ = try await connection.execute("LISTEN \(channel)", deadline: .after(timeout))
            while true {
                let payloads = try await connection.notifications(
                    until: .after(Notifier.keepAliveInterval))
                if payloads.isEmpty {
                    _ = try await connection.execute("SELECT 1", deadline: .after(timeout))
                }
                for notification in payloads.compactMap(ReplicaNotification.init) {
                    await onNotification(notification)
                }
            }
        } catch {
            result = .failure(error)
        }
        await connection.close()
        try result.get()
    }
}
