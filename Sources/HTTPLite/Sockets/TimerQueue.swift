internal import HeapModule

/// Deadlines, soonest first.
///
/// Deadlines are not taken out when they move: whoever owns a token checks whether its entry is
/// still the one that counts, and puts in a new one if not.
struct TimerQueue: Sendable {
    struct Entry: Sendable, Comparable {
        let moment: Moment
        let token: UInt64

        static func < (left: Entry, right: Entry) -> Bool { left.moment < right.moment }
    }

    private var heap = Heap<Entry>()

    var count: Int { heap.count }
    var first: Moment? { heap.min?.moment }

    mutating func insert(_ moment: Moment, token: UInt64) {
        heap.insert(Entry(moment: moment, token: token))
    }

    /// Takes the soonest entry out if its time has come.
    mutating func popExpired(now: Moment) -> Entry? {
        guard let soonest = heap.min, soonest.moment <= now else { return nil }
        return heap.popMin()
    }

    mutating func removeAll() {
        heap = Heap()
    }
}
