/// How long and how often a command retries while no daemon can be reached. Pure.
struct Reconnection: Sendable, Equatable {
    /// From the first failure on; zero gives up at once.
    let limit: Duration

    private static let firstPause = Duration.milliseconds(250)
    private static let longestPause = Duration.seconds(5)
    /// An answer may ask for more than the backoff, but not for hours.
    private static let longestWish = Duration.seconds(30)

    /// The pause after `failures` failed tries in a row, the first of them `elapsed` ago; `nil` when
    /// it has been enough. The last try is made when the time is over. `jitter` is 0 to 1.
    func pause(
        afterFailures failures: Int, elapsed: Duration, wish: Duration? = nil, jitter: Double
    ) -> Duration? {
        guard elapsed < limit else { return nil }
        let doublings = min(max(failures - 1, 0), 8)
        let backoff = min(Self.firstPause * (1 << doublings), Self.longestPause)
        let pause = max(backoff * (0.5 + jitter / 2), min(wish ?? .zero, Self.longestWish))
        return min(pause, limit - elapsed)
    }
}
