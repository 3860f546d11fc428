import TestSupport
import Testing

@testable import PostgresClient

@Suite(.timeLimit(.minutes(5))) struct ConnectionPoolTests {
    private func pids(_ pool: ConnectionPool) async throws -> String {
        try await pool.withConnection { connection throws(PostgresError) in
            try await connection.query("SELECT pg_backend_pid()")[0][0] ?? ""
        }
    }

    private func pool(_ database: TestDatabase, limit: Int = 2) throws -> ConnectionPool {
        ConnectionPool(try database.parameters, limit: limit, connectTimeout: .seconds(10))
    }

    @Test("a connection is used again, and one that died meanwhile is replaced unseen")
    func reuse() async throws {
        try await TestCluster.withDatabase { database in
            let pool = try pool(database)
            let first = try await pids(pool)
            #expect(try await pids(pool) == first)
            try await database.psql("SELECT pg_terminate_backend(\(first))")
            let second = try await pids(pool)
            #expect(second != first)
            await pool.close()
            #expect(
                try await eventually {
                    try await database.psql(
                        "SELECT count(*) FROM pg_stat_activity WHERE pid = \(second)"
                    ).hasPrefix("0")
                })
        }
    }

    @Test("no more than the limit are open at once")
    func limit() async throws {
        try await TestCluster.withDatabase { database in
            let pool = try pool(database, limit: 2)
            let used = try await withThrowingTaskGroup { group in
                for _ in 0..<12 {
                    group.addTask {
                        try await pool.withConnection { connection throws(PostgresError) in
                            try await connection.query(
                                "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                    + "current_database() AND backend_type = 'client backend'")[0][
                                    0]
                        }
                    }
                }
                return try await group.reduce(into: [String?]()) { $0.append($1) }
            }
            #expect(used.allSatisfy { $0 == "1" || $0 == "2" })
            await pool.close()
        }
    }

    @Test("a connection with an open transaction is not handed on")
    func openTransaction() async throws {
        try await TestCluster.withDatabase { database in
            let pool = try pool(database, limit: 1)
            let first = try await pids(pool)
            await #expect(throws: PostgresError.self) {
                try await pool.withConnection { connection throws(PostgresError) in
                    _ = try await connection.execute("BEGIN; SELECT nosuch")
                }
            }
            #expect(try await pids(pool) != first)
            // A plain error leaves it as good as before.
            let second = try await pids(pool)
            await #expect(throws: PostgresError.self) {
                try await pool.withConnection { connection throws(PostgresError) in
                    _ = try await connection.execute("SELECT nosuch")
                }
            }
            #expect(try await pids(pool) == second)
            await pool.close()
        }
    }

    @Test("a task that is cancelled while it waits leaves the pool whole")
    func cancelled() async throws {
        try await TestCluster.withDatabase { database in
            let pool = try pool(database, limit: 1)
            let slow = Task {
                try await pool.withConnection { connection throws(PostgresError) in
                    _ = try await connection.query("SELECT pg_sleep(600)")
                }
            }
            #expect(try await database.sleeps())
            let waiting = Task { try await pids(pool) }
            waiting.cancel()
            await #expect(throws: PostgresError.cancelled(completedStatements: 0)) {
                _ = try await waiting.value
            }
            slow.cancel()
            await #expect(throws: PostgresError.self) { try await slow.value }
            #expect(try await !pids(pool).isEmpty)
            await pool.close()
        }
    }
}
