package import JobModel
package import PostgresClient
internal import Support
internal import Synchronization

/// Finds out who holds up the statements of a job's workers, and how far index builds are, while they
/// run.
///
/// Once a statement has failed with a lock timeout it waits for nobody, and the server does not say
/// any more who was in its way. So statements that take longer than most are looked at from another
/// session; those that are quick cost an entry in a table.
package final class LockWatch: Sendable {
    private struct Entry {
        let connection: ConnectionParameters
        let backend: Int32
        let tenants: [String]
        let began: ContinuousClock.Instant
        var blockers: [BlockingSession] = []
        var progress: StatementProgress?
    }

    private struct State {
        var entries: [Int: Entry] = [:]
        var next = 0
    }

    /// How long a statement may take before it is looked at.
    private let delay: Duration
    private let onProgress: @Sendable ([String], StatementProgress?) -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - lockTimeout: the job's, in milliseconds; 0 is none.
    ///   - onProgress: hears how far the statement of some tenants is, and `nil` once it has ended.
    package init(
        lockTimeout: Int,
        onProgress: @escaping @Sendable ([String], StatementProgress?) -> Void = { _, _ in }
    ) {
        self.onProgress = onProgress
        // Two looks before the timeout; without one a look a second is enough.
        delay = .milliseconds(lockTimeout == 0 ? 1_000 : min(max(lockTimeout / 3, 20), 1_000))
    }

    /// Notes that a session begins a message.
    package func begin(
        _ connection: ConnectionParameters, backend: Int32, tenants: [String] = []
    ) -> Int {
        state.withLock { state in
            state.next += 1
            state.entries[state.next] = Entry(
                connection: connection, backend: backend, tenants: tenants, began: .now)
            return state.next
        }
    }

    /// Notes that the message is through.
    ///
    /// - Returns: who was last seen in its way.
    package func end(_ token: Int) -> [BlockingSession] {
        let entry = state.withLock { $0.entries.removeValue(forKey: token) }
        if let entry, entry.progress != nil { onProgress(entry.tenants, nil) }
        return entry?.blockers ?? []
    }

    /// Looks after slow statements until the task is cancelled, with a connection to each server that
    /// has some.
    package func watch(_ makeConnection: () -> WorkerConnection) async {
        var sessions: [String: WorkerConnection] = [:]
        while !Task.isCancelled {
            try? await Task.sleep(for: delay)
            let slow = slowEntries()
            for (server, entries) in slow {
                let session = sessions[server] ?? makeConnection()
                sessions[server] = session
                do throws(PostgresError) {
                    try await look(at: entries, by: session)
                } catch {
                    // Who is in the way stays unknown; the server has more to do than to tell.
                    await session.close()
                }
            }
            for server in sessions.keys where slow[server] == nil {
                await sessions.removeValue(forKey: server)?.close()
            }
        }
        for session in sessions.values { await session.close() }
    }

    private func slowEntries() -> [String: [(token: Int, entry: Entry)]] {
        let now = ContinuousClock.now
        return state.withLock { state in
            let slow = state.entries.filter { $0.value.began.duration(to: now) >= delay }
            return Dictionary(
                grouping: slow.map { ($0.key, $0.value) }, by: \.1.connection.serverKey)
        }
    }

    private func look(
        at slow: [(token: Int, entry: Entry)], by session: WorkerConnection
    ) async throws(PostgresError) {
        let connection = try await session.connection(
            for: slow[0].entry.connection, schemas: 0, slotUntil: .after(delay))
        let rows = try await connection.query(
            """
            SELECT waiting.pid, a.pid, left(a.query, \(FailureDescription.statementLimit)), a.state,
                a.application_name,
                (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint
            FROM unnest($1::int[]) AS waiting(pid)
                CROSS JOIN unnest(pg_blocking_pids(waiting.pid)) AS blocking(pid)
                JOIN pg_stat_activity AS a ON a.pid = blocking.pid
            ORDER BY a.xact_start LIMIT 100
            """, [SQLText.arrayParameter(slow.map { String($0.entry.backend) })],
            deadline: .after(.seconds(2)))
        var found: [Int32: [BlockingSession]] = [:]
        for row in rows {
            guard let waiting = row[0].flatMap({ Int32($0) }),
                let session = BlockingSession(row: row.dropFirst())
            else { continue }
            found[waiting, default: []].append(session)
        }
        let builds = try await progress(of: slow.map(\.entry.backend), on: connection)
        let news = state.withLock { state in
            var news: [([String], StatementProgress)] = []
            for (token, entry) in slow {
                if let blockers = found[entry.backend] { state.entries[token]?.blockers = blockers }
                guard var progress = builds[entry.backend], state.entries[token] != nil
                else { continue }
                progress.blockedBy = found[entry.backend] ?? []
                if progress.tellsNothingNew(after: entry.progress) { continue }
                state.entries[token]?.progress = progress
                news.append((entry.tenants, progress))
            }
            return news
        }
        for (tenants, progress) in news { onProgress(tenants, progress) }
    }

    /// How far index builds are, by session (manual, "CREATE INDEX Progress Reporting").
    private func progress(
        of backends: [Int32], on connection: PostgresConnection
    ) async throws(PostgresError) -> [Int32: StatementProgress] {
        let rows = try await connection.query(
            """
            SELECT pid, phase, unit, done, total FROM pg_stat_progress_create_index,
                LATERAL (VALUES (1, 'blocks', blocks_done, blocks_total),
                    (2, 'tuples', tuples_done, tuples_total),
                    (3, 'partitions', partitions_done, partitions_total),
                    (4, 'lockers', lockers_done, lockers_total)) AS v (place, unit, done, total)
            WHERE pid = ANY($1::int[]) AND (total > 0 OR place = 4)
            ORDER BY pid, place DESC
            """, [SQLText.arrayParameter(backends.map { String($0) })],
            deadline: .after(.seconds(2)))
        var builds: [Int32: StatementProgress] = [:]
        for row in rows {
            guard let pid = row[0].flatMap({ Int32($0) }), let phase = row[1], let unit = row[2]
            else { continue }
            builds[pid] = StatementProgress(
                phase: phase, unit: unit, done: row[3].flatMap { Int64($0) } ?? 0,
                total: row[4].flatMap { Int64($0) } ?? 0)
        }
        return builds
    }
}

extension BlockingSession {
    /// Reads pid, query, state, application name and age in milliseconds.
    init?(row: ArraySlice<String?>) {
        let columns = Array(row)
        guard let pid = columns[0].flatMap({ Int($0) }) else { return nil }
        self.init(
            pid: pid, query: columns[1] ?? "", state: columns[2], applicationName: columns[3],
            ageMilliseconds: columns[4].flatMap { Int64($0) })
    }
}
