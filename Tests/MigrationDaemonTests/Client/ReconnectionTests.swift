import HTTPLite
import Testing

@testable import MigrationDaemon

@Suite struct ReconnectionTests {
    private let reconnection = Reconnection(limit: .seconds(300))

    @Test(
        "pauses grow to five seconds, with up to half of each by chance",
        arguments: [
            (1, 0.0, 125), (1, 1.0, 250), (2, 1.0, 500), (3, 1.0, 1_000), (6, 1.0, 5_000),
            (6, 0.0, 2_500), (1_000, 1.0, 5_000), (Int.max, 1.0, 5_000),
        ])
    func backoff(failures: Int, jitter: Double, milliseconds: Int) {
        let pause = reconnection.pause(
            afterFailures: failures, elapsed: .seconds(1), jitter: jitter)
        #expect(pause == .milliseconds(milliseconds))
    }

    @Test("the last try is made when the time is over, and none after it")
    func end() {
        func pause(_ elapsed: Duration) -> Duration? {
            reconnection.pause(afterFailures: 9, elapsed: elapsed, jitter: 1)
        }
        #expect(pause(.seconds(299)) == .seconds(1))
        #expect(pause(.seconds(300)) == nil)
        let none = Reconnection(limit: .zero)
        #expect(none.pause(afterFailures: 1, elapsed: .zero, jitter: 1) == nil)
    }

    @Test("an answer may ask for a longer pause, within reason")
    func wish() {
        func pause(_ wish: Duration) -> Duration? {
            reconnection.pause(afterFailures: 1, elapsed: .zero, wish: wish, jitter: 1)
        }
        #expect(pause(.seconds(10)) == .seconds(10))
        #expect(pause(.zero) == .milliseconds(250))
        #expect(pause(.seconds(86_400)) == .seconds(30))
    }

    @Test("what a restart or a failover may do is tried again, a mistake is not")
    func transient() {
        for status in [429, 502, 503, 504] { #expect(APIClient.isTransient(status: status)) }
        for status in [200, 400, 401, 404, 409, 422, 500, 501] {
            #expect(!APIClient.isTransient(status: status))
        }
        let passing: [HTTPClientError] = [
            .unresolved(reason: ""), .unreachable(reason: ""), .broken(reason: ""), .timedOut,
            .handshake(reason: ""), .malformed(reason: ""),
        ]
        for error in passing { #expect(APIClient.isTransient(error)) }
        let lasting: [HTTPClientError] = [.untrusted(reason: ""), .invalidRequest(reason: "")]
        for error in lasting { #expect(!APIClient.isTransient(error)) }
    }
}
