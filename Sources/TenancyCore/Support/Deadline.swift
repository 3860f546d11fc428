/// A moment after which something is given up; the only type that reads the monotonic clock.
public struct Deadline: Sendable {
    private let instant: ContinuousClock.Instant?

    /// A deadline that never comes.
    public static let never = Deadline(instant: nil)

    /// The moment `duration` from now.
    public static func after(_ duration: Duration) -> Deadline {
        Deadline(instant: ContinuousClock.now + duration)
    }

    /// The time left, never negative; `nil` without a deadline.
    public var remaining: Duration? {
        instant.map { max(.zero, $0 - ContinuousClock.now) }
    }

    public var hasPassed: Bool { remaining == .zero }

    /// The earlier of the two.
    public func earlier(of other: Deadline) -> Deadline {
        guard let instant else { return other }
        guard let theirs = other.instant else { return self }
        return instant < theirs ? self : other
    }

    /// Milliseconds for poll(2): rounded up, so that a wait never ends early; -1 without a deadline.
    var pollMilliseconds: Int32 {
        guard let remaining else { return -1 }
        let (seconds, attoseconds) = remaining.components
        let milliseconds =
            seconds * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return Int32(clamping: milliseconds)
    }
}

extension Duration {
    /// Whole milliseconds, rounded down.
    public var milliseconds: Int64 {
        components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000
    }
}
