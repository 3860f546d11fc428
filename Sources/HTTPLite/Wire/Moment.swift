internal import CSystem
internal import Glibc

/// A point of the monotonic clock, in nanoseconds.
///
/// A plain integer, because deadlines are compared at every event of every connection.
struct Moment: Comparable, Sendable {
    var nanoseconds: Int64

    static let never = Moment(nanoseconds: .max)

    static func < (left: Moment, right: Moment) -> Bool { left.nanoseconds < right.nanoseconds }

    static func + (moment: Moment, interval: Interval) -> Moment {
        let (sum, overflow) = moment.nanoseconds.addingReportingOverflow(interval.nanoseconds)
        return overflow ? .never : Moment(nanoseconds: sum)
    }

    static func - (later: Moment, earlier: Moment) -> Interval {
        Interval(nanoseconds: later.nanoseconds - earlier.nanoseconds)
    }

    /// Reads the clock.
    static func read() -> Moment {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Moment(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}

/// A length of time in nanoseconds.
struct Interval: Sendable, Equatable {
    let nanoseconds: Int64

    init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// A duration, at most the 292 years that an `Int64` of nanoseconds can hold.
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow {
            nanoseconds = seconds < 0 ? .min : .max
        } else {
            let (sum, carry) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
            nanoseconds = carry ? .max : sum
        }
    }

    var duration: Duration { .nanoseconds(nanoseconds) }
}
