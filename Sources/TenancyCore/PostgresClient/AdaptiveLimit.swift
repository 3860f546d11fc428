/// How many connections a server takes from us: fewer when it is full, and step by step more again.
struct AdaptiveLimit: Equatable {
    /// A server that was full is asked for more so often: for one connection, and as long as it has
    /// room for them for twice as many each time.
    private static let growthInterval = Duration.seconds(10)

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
        guard current < most, let changedAt,
            changedAt.duration(to: now) >= AdaptiveLimit.growthInterval
        else { return }
        current = min(current + growth, most)
        growth *= 2
        self.changedAt = now
    }
}
