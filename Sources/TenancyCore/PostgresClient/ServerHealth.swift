internal import Synchronization

/// Which servers cannot be connected to at the moment, so that a fleet's workers do not all knock at
/// a server that starts, recovers or fails over.
///
/// A server counts as away when it says so (57P03), when it is full and none of our connections is
/// on it, or when it was reached before and nobody has answered several connections in a row. One
/// that was never reached may just as well be a mistake in a URL. What libpq refuses says nothing of
/// the server, and one that rejects a password is there.
package final class ServerHealth: Sendable {
    /// What is known of one server. Pure: moments are passed in.
    struct Server: Equatable {
        private static let firstPause = Duration.milliseconds(250)
        private static let longestPause = Duration.seconds(5)
        /// Failures in a row after which a server that says nothing is away.
        private static let patience = 3

        private(set) var wasReached = false
        private(set) var awaySince: ContinuousClock.Instant?
        private var nextTry: ContinuousClock.Instant?
        private var pause = Server.firstPause
        private var failures = 0

        /// Whether it was reached the last time.
        var isFine: Bool { wasReached && failures == 0 }

        mutating func reached() {
            self = Server()
            wasReached = true
        }

        /// Takes in that a connection did not come about.
        mutating func refused(isAway: Bool, at now: ContinuousClock.Instant) {
            failures += 1
            let isGone = wasReached && failures >= Server.patience
            guard awaySince == nil, isAway || isGone else { return }
            awaySince = now
            nextTry = now + pause
        }

        /// Whether the caller may try to connect; while the server is away that is one at a time, with
        /// growing pauses.
        mutating func mayTry(at now: ContinuousClock.Instant) -> Bool {
            guard let nextTry else { return true }
            guard now >= nextTry else { return false }
            pause = min(pause * 2, Server.longestPause)
            self.nextTry = now + pause
            return true
        }

        /// Takes in that whoever tried to connect did not get as far as the server: the next may.
        mutating func learnedNothing(at now: ContinuousClock.Instant) {
            guard nextTry != nil else { return }
            nextTry = now
        }
    }

    private let servers = Mutex<[String: Server]>([:])

    /// For how long a server has been away; `nil` when it is not known to be.
    package func timeAway(_ key: String) -> Duration? {
        servers.withLock { $0[key]?.awaySince }.map { $0.duration(to: .now) }
    }

    func mayTry(_ key: String) -> Bool {
        let now = ContinuousClock.now
        return servers.withLock { $0[key]?.mayTry(at: now) ?? true }
    }

    /// Takes in that a server has answered.
    package func reached(_ key: String) {
        servers.withLock { servers in
            // Written once, not with each of a fleet's connections.
            if let server = servers[key], server.isFine { return }
            servers[key, default: Server()].reached()
        }
    }

    /// Takes in that a connection to a server did not come about.
    package func refused(_ key: String, isAway: Bool) {
        let now = ContinuousClock.now
        servers.withLock { $0[key, default: Server()].refused(isAway: isAway, at: now) }
    }

    func learnedNothing(_ key: String) {
        let now = ContinuousClock.now
        servers.withLock { $0[key]?.learnedNothing(at: now) }
    }
}

/// How many connections a server takes from us: fewer when it is full, and step by step more again.
struct AdaptiveLimit: Equatable {
    /// A server that was full is asked for more so often: for one connection, and as long as it has
    /// room for them for twice as many each time.
    private static let pace = Duration.seconds(10)

    let most: Int
    private(set) var current: Int
    private var growth = 1
    private var changedAt: ContinuousClock.Instant?

    init(most: Int) {
        self.most = most
        current = most
    }

    /// The server was full while `used` connections were open.
    mutating func refused(used: Int, at now: ContinuousClock.Instant) {
        current = max(1, min(current, used))
        growth = 1
        changedAt = now
    }

    /// A connection came about.
    mutating func succeeded(at now: ContinuousClock.Instant) {
        guard current < most, let changedAt, changedAt.duration(to: now) >= AdaptiveLimit.pace
        else { return }
        current = min(current + growth, most)
        growth *= 2
        self.changedAt = now
    }
}
