/// A binary heap of deadlines, soonest first.
///
/// Deadlines are not taken out when they move: whoever owns a token looks whether its entry is
/// still the one that counts, and puts in a new one if not.
struct TimerQueue: Sendable {
    struct Entry: Sendable, Equatable {
        let moment: Moment
        let token: UInt64
    }

    private var heap: [Entry] = []

    var count: Int { heap.count }
    var first: Moment? { heap.first?.moment }

    mutating func insert(_ moment: Moment, token: UInt64) {
        heap.append(Entry(moment: moment, token: token))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].moment < heap[parent].moment else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes the soonest entry out if its time has come.
    mutating func popExpired(now: Moment) -> Entry? {
        guard let soonest = heap.first, soonest.moment <= now, let last = heap.popLast() else {
            return nil
        }
        if !heap.isEmpty {
            heap[0] = last
            siftDown()
        }
        return soonest
    }

    mutating func removeAll() {
        heap.removeAll()
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { return }
            if child + 1 < heap.count, heap[child + 1].moment < heap[child].moment { child += 1 }
            guard heap[child].moment < heap[parent].moment else { return }
            heap.swapAt(child, parent)
            parent = child
        }
    }
}
