internal import Support
internal import Synchronization

/// A circuit breaker for each server, so that a fleet's workers do not all try a server that starts,
/// recovers or fails over.
///
/// A breaker opens when the server says that it is unavailable (57P03), when it is full and none of our
/// connections is on it, or when it was reached before and several connections in a row got no answer.
/// A server that was never reached may just as well be a mistake in a URL. What libpq refuses says
/// nothing about the server, and one that rejects a password is available.
package final class CircuitBreakers: Sendable {
    /// The breaker of one server. Pure: moments are passed in.
    struct Breaker: Equatable {
        /// Failures in a row that open the breaker of a server that says nothing.
        private static let failureThreshold = 3

        private(set) var wasReached = false
        /// Since when the breaker is open.
        private(set) var openSince: ContinuousClock.Instant?
        private var nextProbe: ContinuousClock.Instant?
        private var backoff = Backoff(from: .milliseconds(250), upTo: .seconds(5))
        private var failures = 0

        /// Whether the last connection came about.
        var isHealthy: Bool { wasReached && failures == 0 }

        mutating func recordSuccess() {
            self = Breaker()
            wasReached = true
        }

        mutating func recordFailure(isUnavailable: Bool, at now: ContinuousClock.Instant) {
            failures += 1
            let isGone = wasReached && failures >= Breaker.failureThreshold
            guard openSince == nil, isUnavailable || isGone else { return }
            openSince = now
            nextProbe = now + backoff.next()
        }

        /// Whether the caller may connect. While the breaker is open that is a probe: one at a time, with
        /// growing pauses.
        mutating func allowsConnection(at now: ContinuousClock.Instant) -> Bool {
            guard let nextProbe else { return true }
            guard now >= nextProbe else { return false }
            self.nextProbe = now + backoff.next()
            return true
        }

        /// A probe did not get as far as the server: the next one may start at once.
        mutating func returnProbe(at now: ContinuousClock.Instant) {
            guard nextProbe != nil else { return }
            nextProbe = now
        }
    }

    private let breakers = Mutex<[String: Breaker]>([:])

    /// For how long a server has been unavailable; `nil` when it is not known to be.
    package func timeUnavailable(_ server: String) -> Duration? {
        breakers.withLock { $0[server]?.openSince }.map { $0.duration(to: .now) }
    }

    func allowsConnection(to server: String) -> Bool {
        let now = ContinuousClock.now
        return breakers.withLock { $0[server]?.allowsConnection(at: now) ?? true }
    }

    /// A server has answered.
    package func recordSuccess(of server: String) {
        breakers.withLock { breakers in
            // Written once, not with each of a fleet's connections.
            if let breaker = breakers[server], breaker.isHealthy { return }
            breakers[server, default: Breaker()].recordSuccess()
        }
    }

    /// A connection to a server did not come about; `isUnavailable` when the server itself said why.
    package func recordFailure(of server: String, isUnavailable: Bool) {
        let now = ContinuousClock.now
        breakers.withLock {
            $0[server, default: Breaker()].recordFailure(isUnavailable: isUnavailable, at: now)
        }
    }

    /// A connection was given up before it got as far as the server.
    func returnProbe(of server: String) {
        let now = ContinuousClock.now
        breakers.withLock { $0[server]?.returnProbe(at: now) }
    }
}
