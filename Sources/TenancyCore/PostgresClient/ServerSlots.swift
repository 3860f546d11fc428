package import Support

/// Bounds how many connections this process holds to each database server, over all jobs.
///
/// A waiter gets its place in the order of asking. Waiting ends with the waiter's task or deadline. A
/// server that turns out to be full gets fewer from then on, and slowly more again.
package actor ServerSlots {
    private struct Waiter {
        let id: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct Server {
        var used = 0
        var waiters: [Waiter] = []
    }

    private let limit: Int
    private var servers: [String: Server] = [:]
    /// Of servers that were full once.
    private var limits: [String: AdaptiveLimit] = [:]
    /// Which servers are unavailable.
    package nonisolated let breakers = CircuitBreakers()
    private var nextID = 0

    /// - Parameter limit: connections to one server, at least 1.
    package init(limit: Int) {
        precondition(limit >= 1, "a server needs at least one slot, or nothing would ever run")
        self.limit = limit
    }

    /// Waits for a place at `server` (`host:port`); every success needs one `release`.
    ///
    /// - Throws: `cancelled` or `deadlinePassed`.
    package func acquire(
        _ server: String, until deadline: Deadline = .never
    ) async throws(PostgresError) {
        if servers[server, default: Server()].used < current(server) {
            servers[server, default: Server()].used += 1
            return
        }
        nextID += 1
        let id = nextID
        let timer = deadline.remaining.map { remaining in
            Task {
                try? await Task.sleep(for: remaining)
                abandon(id, at: server)
            }
        }
        let isGranted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // Cancelled already: the handler ran before there was anything to find.
                if Task.isCancelled { return continuation.resume(returning: false) }
                servers[server]?.waiters.append(Waiter(id: id, continuation: continuation))
            }
        } onCancel: {
            Task { await self.abandon(id, at: server) }
        }
        timer?.cancel()
        if isGranted { return }
        throw Task.isCancelled ? .cancelled(completedStatements: 0) : .deadlinePassed
    }

    /// Gives a place back, to the first who waits for one.
    package func release(_ server: String) {
        servers[server]?.used -= 1
        admitWaiters(to: server)
    }

    /// The server had no place for a connection; the caller gives its slot back besides.
    func wasFull(_ server: String) {
        let used = max(0, (servers[server]?.used ?? 0) - 1)
        limits[server, default: AdaptiveLimit(most: limit)].refused(used: used, at: .now)
    }

    /// The server had a place.
    func wasOpen(_ server: String) {
        guard limits[server] != nil else { return }
        limits[server]?.succeeded(at: .now)
        admitWaiters(to: server)
    }

    private func current(_ server: String) -> Int { limits[server]?.current ?? limit }

    private func admitWaiters(to server: String) {
        guard var entry = servers[server] else { return }
        while entry.used < current(server), !entry.waiters.isEmpty {
            entry.used += 1
            entry.waiters.removeFirst().continuation.resume(returning: true)
        }
        servers[server] = entry.used == 0 && entry.waiters.isEmpty ? nil : entry
    }

    /// Whether somebody waits for a place at `server`.
    package func isContended(_ server: String) -> Bool {
        servers[server].map { !$0.waiters.isEmpty } ?? false
    }

    /// Servers that connections lead to, by name.
    package func standings() -> [(key: String, used: Int, waiting: Int)] {
        servers.map { ($0.key, $0.value.used, $0.value.waiters.count) }.sorted { $0.key < $1.key }
    }

    /// Places taken at `server`.
    package func used(at server: String) -> Int {
        servers[server]?.used ?? 0
    }

    private func abandon(_ id: Int, at server: String) {
        guard let index = servers[server]?.waiters.firstIndex(where: { $0.id == id }) else {
            return
        }
        servers[server]?.waiters.remove(at: index).continuation.resume(returning: false)
    }
}
