internal import JobModel
internal import PostgresClient
internal import Support

/// The advisory lock of one target: a transaction lock, so that it is right behind a transaction
/// pooler too; always tried, never waited for, so that no session queues on it.
enum TargetLock {
    /// A server that does not answer a try by then is taken for lost.
    private static let timeout = Duration.seconds(30)

    /// A statement that takes the lock for the transaction, or fails with division_by_zero.
    static func tryAcquire(_ key: Int64) -> String {
        "SELECT 1 / pg_try_advisory_xact_lock(\(key))::int"
    }

    /// Who holds the lock.
    static func holders(
        _ key: Int64, on connection: PostgresConnection
    ) async throws(PostgresError) -> [BlockingSession] {
        // A bigint key is kept as two halves (manual, pg_locks, objsubid 1).
        let rows = try await connection.query(
            """
            SELECT a.pid, left(a.query, \(FailureDescription.statementLimit)), a.state,
                a.application_name,
                (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint
            FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (l.classid::bigint << 32 | l.objid::bigint) = $1::bigint
            """, [String(key)], deadline: .after(timeout))
        return rows.compactMap { BlockingSession(row: $0[...]) }
    }

    /// Waits until the lock was free at one moment, asking again after a growing, jittered pause.
    ///
    /// Outside a transaction the try gives the lock back at once, so nothing is held when this
    /// returns; the caller takes it in the transaction that needs it.
    ///
    /// - Returns: false when the deadline passed first.
    static func waitUntilFree(
        _ key: Int64, on connection: PostgresConnection, deadline: Deadline
    ) async throws(PostgresError) -> Bool {
        var backoff = Backoff(from: .milliseconds(10), upTo: .milliseconds(250))
        while true {
            let rows = try await connection.query(
                "SELECT pg_try_advisory_xact_lock(\(key))", deadline: .after(timeout))
            if rows.first?.first == "t" { return true }
            if deadline.hasPassed { return false }
            do {
                try await Task.sleep(for: backoff.next(jitter: .random(in: 0.5...1)))
            } catch {
                throw .cancelled(completedStatements: 0)
            }
        }
    }
}
