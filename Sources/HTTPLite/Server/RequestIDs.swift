internal import Synchronization

/// Request ids: short, unique within a process, and not the same after a restart.
enum RequestIDs {
    /// A source of ids such as `k3f9a-1c`.
    static func make() -> @Sendable () -> String {
        let prefix = String(UInt32.random(in: 0x10_0000...0xFFF_FFFF), radix: 36)
        let counter = Counter()
        return { "\(prefix)-\(String(counter.next(), radix: 36))" }
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
