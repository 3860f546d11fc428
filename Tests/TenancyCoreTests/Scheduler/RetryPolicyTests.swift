import Testing

@testable import Engine
@testable import JobModel
@testable import PostgresClient
@testable import Scheduler
@testable import Support

@Suite struct RetryPolicyTests {
    private let passing = TenantFailure(
        code: .statement(.lockTimeout), message: "", isRetryable: true)

    @Test(
        "pauses double up to half a minute, half of each by chance",
        arguments: [
            (1, 0.0, 250), (1, 1.0, 500), (2, 1.0, 1_000), (3, 0.5, 1_500), (6, 1.0, 16_000),
            (7, 1.0, 30_000), (7, 0.0, 15_000), (99, 1.0, 30_000),
        ] as [(Int, Double, Int64)])
    func pauses(attempt: Int, jitter: Double, milliseconds: Int64) {
        let policy = RetryPolicy(maxAttempts: 100)
        let pause = policy.pause(after: attempt, failure: passing, jitter: jitter)
        #expect(pause?.milliseconds == milliseconds)
    }

    @Test("a server that is away is waited for, and not by those whose own URL is wrong")
    func waiting() {
        let away = Duration.seconds(1)
        func isWaiting(_ failure: TenantFailure, _ timeUnavailable: Duration?) -> Bool {
            RetryPolicy.isWaiting(failure, timeUnavailable: timeUnavailable, limit: .seconds(60))
        }
        let network = FailureDescription.of(.connectFailed(ConnectRefusal(.network, "")))
        #expect(isWaiting(network, away) && !isWaiting(network, nil))
        let password = FailureDescription.of(
            .connectFailed(ConnectRefusal(.server(sqlState: "28P01"), "")))
        #expect(password.code == network.code && !isWaiting(password, away))
        let client = FailureDescription.of(.connectFailed(ConnectRefusal(.client, "")))
        #expect(client.code == .server(.clientRefused) && !isWaiting(client, away))
        #expect(!client.isRetryable && client.hint != nil)
    }

    @Test("the last attempt is followed by none, and a lasting failure by none either")
    func ends() {
        let policy = RetryPolicy(maxAttempts: 2)
        #expect(policy.pause(after: 1, failure: passing, jitter: 0) != nil)
        #expect(policy.pause(after: 2, failure: passing, jitter: 0) == nil)
        let lasting = TenantFailure(code: .statement(.failed), message: "")
        #expect(policy.pause(after: 1, failure: lasting, jitter: 0) == nil)
        #expect(RetryPolicy(maxAttempts: 1).pause(after: 1, failure: passing, jitter: 0) == nil)
    }
}
