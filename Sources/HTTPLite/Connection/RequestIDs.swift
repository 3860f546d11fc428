internal import Synchronization

/// Request ids: short, unique within a process, and not the same after a restart.
enum RequestIDs {
    /// A source of ids such as `k3f9a2-0000001c`: six characters of chance, then a count.
    ///
    /// Fifteen bytes: the longest text that Swift keeps without an allocation.
    static func make() -> @Sendable () -> String {
        let process = UInt64.random(in: .min ... .max)
        let counter = Counter()
        return {
            var count = counter.next()
            var chance = process
            return String(unsafeUninitializedCapacity: 15) { bytes in
                for index in (7..<15).reversed() { bytes[index] = digit(&count) }
                bytes[6] = UInt8(ascii: "-")
                for index in 0..<6 { bytes[index] = digit(&chance) }
                return 15
            }
        }
    }

    /// Takes the lowest five bits of a number as one of 32 digits.
    private static func digit(_ number: inout UInt64) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: number & 31)
        number >>= 5
        return value < 10 ? 0x30 + value : 0x61 + value - 10
    }

    /// The caller's id if it is one that logs and fields can carry, else nil.
    static func given(in fields: HTTPFields) -> String? {
        guard let id = fields["x-request-id"], (1...128).contains(id.utf8.count),
            id.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F })
        else { return nil }
        return id
    }

    private final class Counter: Sendable {
        private let value = Atomic<UInt64>(0)

        func next() -> UInt64 { value.wrappingAdd(1, ordering: .relaxed).newValue }
    }
}
