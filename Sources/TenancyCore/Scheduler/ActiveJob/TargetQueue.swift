internal import DequeModule
internal import Engine
internal import JobModel
internal import PostgresClient
internal import Support
internal import Tenants

/// The targets of a job that wait for a worker: those that are ready, by database, and those deferred
/// until a later moment.
struct TargetQueue: Sendable {
    /// Targets deferred at once; beyond it no further page is brought, so that a fleet whose server is
    /// unavailable does not end up in memory as a whole.
    static let deferredLimit = 5_000

    private typealias Bucket = Deque<(order: Int, work: TargetWork)>

    /// By database; none is empty.
    private var ready: [String: Bucket] = [:]
    /// In the order in which they are due.
    private var deferred: Deque<(due: Timestamp, work: TargetWork)> = []
    private var order = 0
    private(set) var readyCount = 0
    /// How many of the deferred targets wait for a server that cannot be connected to, by server.
    private var awaitedServers: [String: Int] = [:]

    var deferredCount: Int { deferred.count }
    var isEmpty: Bool { readyCount == 0 && deferred.isEmpty }

    /// The servers that all targets wait for; empty when any waits for a worker or for anything else.
    var unavailableServers: [String] {
        guard readyCount == 0, awaitedServers.values.reduce(0, +) == deferred.count else {
            return []
        }
        return awaitedServers.keys.sorted()
    }

    /// When the first of the deferred targets is due.
    var nextDue: Timestamp? { deferred.first?.due }

    mutating func enqueue(_ work: TargetWork) {
        ready[work.target.connection.databaseKey, default: []].append((order, work))
        order += 1
        readyCount += 1
    }

    mutating func enqueue(_ work: TargetWork, notBefore due: Timestamp) {
        // Pauses are alike, so the place is near the end.
        let place = deferred.lastIndex { $0.due <= due }.map { $0 + 1 } ?? 0
        deferred.insert((due, work), at: place)
        if let server = TargetQueue.awaitedServer(work) { awaitedServers[server, default: 0] += 1 }
    }

    /// The next target: a deferred one that is due, else one in the database `preferred`, whose
    /// connection the worker holds, else the one that has waited longest.
    mutating func dequeue(preferring preferred: String?, now: Timestamp) -> TargetWork? {
        if let first = deferred.first, first.due <= now { return removeFirstDeferred() }
        let key = preferred.flatMap { ready[$0] == nil ? nil : $0 } ?? longestWaiting
        guard let key, let work = ready[key]?.popFirst()?.work else { return nil }
        if ready[key]?.isEmpty == true { ready[key] = nil }
        readyCount -= 1
        return work
    }

    private mutating func removeFirstDeferred() -> TargetWork {
        let work = deferred.removeFirst().work
        if let server = TargetQueue.awaitedServer(work), let count = awaitedServers[server] {
            awaitedServers[server] = count > 1 ? count - 1 : nil
        }
        return work
    }

    /// The server that a deferred target waits for, where that was no attempt.
    private static func awaitedServer(_ work: TargetWork) -> String? {
        guard let outcome = work.lastOutcome, outcome.isPostponed,
            case .server(_)? = outcome.failure?.code
        else { return nil }
        return work.target.connection.serverKey
    }

    /// Empties the queue.
    mutating func removeAll() -> [TargetWork] {
        let works =
            ready.values.flatMap { $0.map(\.work) } + deferred.map(\.work)
        self = TargetQueue()
        return works
    }

    private var longestWaiting: String? {
        ready.min { ($0.value.first?.order ?? .max) < ($1.value.first?.order ?? .max) }?.key
    }
}
