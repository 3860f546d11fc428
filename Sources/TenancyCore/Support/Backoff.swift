/// Pauses between attempts: each is twice as long as the one before, up to a longest one.
///
/// A value without a clock and without randomness: the caller sleeps, and passes the jitter in.
package struct Backoff: Sendable, Equatable {
    private let shortest: Duration
    private let longest: Duration
    private var pause: Duration

    package init(from shortest: Duration, upTo longest: Duration) {
        self.shortest = min(shortest, longest)
        self.longest = longest
        pause = self.shortest
    }

    /// The next pause. `jitter`, 0 to 1, is the share of it to wait, so that those who failed together do
    /// not try again together.
    package mutating func next(jitter: Double = 1) -> Duration {
        defer { pause = min(pause * 2, longest) }
        return pause * jitter
    }

    /// Begins with the shortest pause again, after a success.
    package mutating func reset() {
        pause = shortest
    }
}
