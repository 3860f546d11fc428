package import Support

/// The identity of a job: a UUID of version 7 (RFC 9562, section 5.7), so that ids sort by time.
package struct JobID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Lower-case hexadecimal digits in the usual groups of 8, 4, 4, 4 and 12.
    package let description: String

    /// Reads the usual text form, in either case; `nil` when it is not a UUID.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 36 else { return nil }
        for (index, byte) in bytes.enumerated() {
            switch index {
            case 8, 13, 18, 23:
                guard byte == UInt8(ascii: "-") else { return nil }
            default:
                guard JobID.isHexDigit(byte) else { return nil }
            }
        }
        description = String(decoding: bytes.map(JobID.lowercased), as: UTF8.self)
    }

    /// Makes an id for `now` from 74 random bits.
    package static func make(
        now: Timestamp, random: inout some RandomNumberGenerator
    ) -> JobID {
        let high = UInt64(bitPattern: now.milliseconds) << 16 | 0x7000 | random.next() & 0x0FFF
        let low = 0x8000_0000_0000_0000 | random.next() >> 2
        let digits = Array((hex(high) + hex(low)).utf8)
        let groups = [
            digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20...],
        ]
        return JobID(unchecked: groups.map { String(decoding: $0, as: UTF8.self) })
    }

    package static func < (left: JobID, right: JobID) -> Bool {
        left.description < right.description
    }

    private init(unchecked groups: [String]) {
        description = groups.joined(separator: "-")
    }

    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }
}
