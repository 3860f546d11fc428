/// A moment after which something is given up; the only type that reads the monotonic clock.
package struct Deadline: Sendable {
    private let instant: ContinuousClock.Instant?

    /// A deadline that never comes.
    package static let never = Deadline(instant: nil)

    /// The moment `duration` from now.
    package static func after(_ duration: Duration) -> Deadline {
        Deadline(instant: ContinuousClock.now + duration)
    }

    /// The time left, never negative; `nil` without a deadline.
    package var remaining: Duration? {
        instant.map { max(.zero, $0 - ContinuousClock.now) }
    }

    package var hasPassed: Bool { remaining == .zero }

    /// The earlier of the two.
    package func earlier(of other: Deadline) -> Deadline {
        guard let instant else { return other }
        guard let theirs = other.instant else { return self }
        return instant < theirs ? self : other
    }

    /// Milliseconds for poll(2): rounded up, so that a wait never ends early; -1 without a deadline.
    package var pollMilliseconds: Int32 {
        guard let remaining else { return -1 }
        let (seconds, attoseconds) = remaining.components
        let milliseconds =
            seconds * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return Int32(clamping: milliseconds)
    }
}

extension Duration {
    /// Whole milliseconds, rounded down.
    package var milliseconds: Int64 {
        components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000
    }
}
