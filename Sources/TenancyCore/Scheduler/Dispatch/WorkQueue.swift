internal import Engine
internal import PostgresClient
internal import Support
internal import Tenants

/// The targets of a job that wait for a worker: those that are ready, by database, and those set
/// aside until a later moment. Pure: the time is passed in.
struct WorkQueue: Sendable {
    private struct Ready {
        var works: [(order: Int, work: TargetWork)] = []
        var head = 0

        var next: (order: Int, work: TargetWork)? { head < works.count ? works[head] : nil }

        mutating func removeFirst() -> TargetWork {
            defer {
                head += 1
                // Given back in bulk, so that each removal stays cheap.
                if head > 64 && head * 2 > works.count {
                    works.removeFirst(head)
                    head = 0
                }
            }
            return works[head].work
        }
    }

    private var ready: [String: Ready] = [:]
    /// In the order in which they are due.
    private var aside: [(due: Timestamp, work: TargetWork)] = []
    private var order = 0
    private(set) var readyCount = 0

    var asideCount: Int { aside.count }
    var isEmpty: Bool { readyCount == 0 && aside.isEmpty }

    /// When the first of the targets set aside is due.
    var nextDue: Timestamp? { aside.first?.due }

    mutating func add(_ work: TargetWork) {
        ready[work.target.connection.databaseKey, default: Ready()].works.append((order, work))
        order += 1
        readyCount += 1
    }

    mutating func setAside(_ work: TargetWork, until due: Timestamp) {
        // Pauses are alike, so the place is near the end.
        let place = aside.lastIndex { $0.due <= due }.map { $0 + 1 } ?? 0
        aside.insert((due, work), at: place)
    }

    /// The next target: one set aside that is due, else one in the database `preferred`, whose
    /// connection the worker holds, else the one that has waited longest.
    mutating func take(preferring preferred: String?, now: Timestamp) -> TargetWork? {
        if let first = aside.first, first.due <= now { return aside.removeFirst().work }
        let key = preferred.flatMap { ready[$0]?.next == nil ? nil : $0 } ?? longestWaiting
        guard let key, var bucket = ready[key] else { return nil }
        let work = bucket.removeFirst()
        ready[key] = bucket.next == nil ? nil : bucket
        readyCount -= 1
        return work
    }

    /// Empties the queue.
    mutating func removeAll() -> [TargetWork] {
        let works = ready.values.flatMap { $0.works[$0.head...].map(\.work) } + aside.map(\.work)
        self = WorkQueue()
        return works
    }

    private var longestWaiting: String? {
        ready.min { ($0.value.next?.order ?? .max) < ($1.value.next?.order ?? .max) }?.key
    }
}
