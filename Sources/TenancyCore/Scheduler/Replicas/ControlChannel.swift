internal import ControlStore
package import Logging
package import PostgresClient
internal import Support

/// Hears what other daemons say over the control database (LISTEN).
///
/// Everything works without it as well, only later: whoever waits for a word looks by itself from
/// time to time. Behind a transaction pooler nothing is heard.
package struct ControlChannel: Sendable {
    private static let shortestPause = Duration.seconds(1)
    private static let longestPause = Duration.seconds(30)
    /// A connection that says nothing for so long is asked whether it is still there.
    private static let silence = Duration.seconds(60)

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

    /// Tells `onWord` each word on the channel, until the task is cancelled.
    func listen(to channel: String, _ onWord: @Sendable (ReplicaNotification) async -> Void) async {
        var pause = ControlChannel.shortestPause
        while !Task.isCancelled {
            do throws(PostgresError) {
                let connection = try await PostgresConnection.connect(
                    parameters, deadline: .after(connectTimeout))
                pause = ControlChannel.shortestPause
                try await hear(connection, channel, onWord)
            } catch {
                if Task.isCancelled { return }
                logger.info(
                    "Words of other daemons are not heard", metadata: ["reason": "\(error)"])
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, ControlChannel.longestPause)
        }
    }

    private func hear(
        _ connection: PostgresConnection, _ channel: String,
        _ onWord: @Sendable (ReplicaNotification) async -> Void
    ) async throws(PostgresError) {
        let result: Result<Void, PostgresError>
        do throws(PostgresError) {
            let patience = Duration.seconds(10)
            _ = try await connection.execute("LISTEN \(channel)", deadline: .after(patience))
            while true {
                let payloads = try await connection.notifications(
                    until: .after(ControlChannel.silence))
                if payloads.isEmpty {
                    _ = try await connection.execute("SELECT 1", deadline: .after(patience))
                }
                for word in payloads.compactMap(ReplicaNotification.init) { await onWord(word) }
            }
        } catch {
            result = .failure(error)
        }
        await connection.close()
        try result.get()
    }
}
