internal import Synchronization

/// How many event streams may be open at once.
package final class EventStreams: Sendable {
    /// A stream's place; free again when the last reference is gone.
    final class Place: Sendable {
        private let streams: EventStreams

        fileprivate init(_ streams: EventStreams) {
            self.streams = streams
        }

        deinit { streams.taken.withLock { $0 -= 1 } }
    }

    private let limit: Int
    private let taken = Mutex(0)

    package init(limit: Int) {
        self.limit = limit
    }

    /// A place; nil when all are taken.
    func take() -> Place? {
        let isFree = taken.withLock { taken in
            guard taken < limit else { return false }
            taken += 1
            return true
        }
        return isFree ? Place(self) : nil
    }
}
