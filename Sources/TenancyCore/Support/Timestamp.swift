/// A moment in UTC with the precision of a millisecond, as the API and the status tables show it.
package struct Timestamp: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package let milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.milliseconds < right.milliseconds
    }

    /// Milliseconds from `earlier` to this moment; negative when this one comes first.
    package func milliseconds(since earlier: Timestamp) -> Int64 {
        milliseconds - earlier.milliseconds
    }

    /// RFC 3339 in UTC with milliseconds: `2026-11-22T10:15:30.250Z`.
    package var description: String {
        let (days, inDay) = milliseconds.flooredQuotientAndRemainder(dividingBy: 86_400_000)
        let date = Timestamp.civil(fromDays: days)
        let seconds = inDay / 1_000
        let text = [
            Timestamp.padded(date.year, 4), "-", Timestamp.padded(date.month, 2), "-",
            Timestamp.padded(date.day, 2), "T", Timestamp.padded(seconds / 3_600, 2), ":",
            Timestamp.padded(seconds / 60 % 60, 2), ":", Timestamp.padded(seconds % 60, 2), ".",
            Timestamp.padded(inDay % 1_000, 3), "Z",
        ]
        return text.joined()
    }

    /// The Gregorian date of a day number, counted from 1970-01-01.
    ///
    /// The year is taken to begin in March, so that the leap day comes last and the length of every
    /// month before it follows one formula; an era is the 400 years after which the calendar repeats.
    private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = (days + 719_468).flooredQuotientAndRemainder(dividingBy: 146_097)
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

extension Int64 {
    fileprivate func flooredQuotientAndRemainder(dividingBy divisor: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
