internal import JobModel

/// Whether a failed target is tried again, and when.
struct RetryPolicy: Sendable {
    /// Attempts in all, at least 1.
    let maxAttempts: Int

    /// The pause before a target is tried again that waits for its server or its turn.
    static let postponement = Duration.seconds(2)
    private static let first = Duration.milliseconds(500)
    private static let longest = Duration.seconds(30)

    /// Whether a failure only says that the server is unavailable or full. That is waited for under a bound of
    /// its own, for all of the server's targets together, and is no attempt.
    static func isWaiting(
        _ failure: TenantFailure, timeUnavailable: Duration?, limit: Duration
    ) -> Bool {
        // What would be the same with the server back is the tenant's own failure.
        guard failure.isRetryable else { return false }
        return switch failure.code {
        case .server(.tooManyConnections): timeUnavailable.map { $0 < limit } ?? true
        case .server(.unavailable), .server(.unreachable):
            timeUnavailable.map { $0 < limit } ?? false
        case .server(.readOnly), .server(.databaseReadOnly), .server(.clientRefused),
            .server(.connectionLost), .server(.timeout), .statement, .target, .job, .step, .alembic,
            .placement, .plan, .unrecognized:
            false
        }
    }

    /// How long to leave a target alone after `attempt` (from 1) failed; `nil` when that was the last.
    /// `jitter`, 0 to 1, spreads targets that failed together.
    func pause(after attempt: Int, failure: TenantFailure, jitter: Double) -> Duration? {
        guard failure.isRetryable, attempt < maxAttempts else { return nil }
        let doubled = RetryPolicy.first * (1 << min(attempt - 1, 16))
        return min(doubled, RetryPolicy.longest) * (0.5 + jitter / 2)
    }
}
