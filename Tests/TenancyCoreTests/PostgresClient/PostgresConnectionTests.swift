import PrivatePostgres
import TestSupport
import Testing

@testable import PostgresClient
@testable import Support

@Suite("A connection to PostgreSQL", .timeLimit(.minutes(5)))
struct PostgresConnectionTests {
    @discardableResult
    private func connected<R: Sendable>(
        _ body: (PostgresConnection) async throws -> R
    ) async throws -> R {
        try await TestCluster.withDatabase { database in
            let connection = try await PostgresConnection.connect(
                ConnectionString.parse(Secret(database.url)))
            let result = try await body(connection)
            await connection.close()
            return result
        }
    }

    @Test("a message of several statements yields a result each")
    func severalStatements() async throws {
        try await connected { connection in
            let results = try await connection.execute(
                "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (NULL); SELECT a FROM t")
            #expect(results.map(\.tag) == ["CREATE TABLE", "INSERT 0 2", "SELECT 2"])
            #expect(results[2].rows == [["1"], [nil]])
        }
    }

    @Test("parameters are passed as text, with quotes and NULL")
    func parameters() async throws {
        try await connected { connection in
            let rows = try await connection.query(
                "SELECT $1::text, $2::int + 1, $3::text", ["a'\"\\b", "41", nil])
            #expect(rows == [["a'\"\\b", "42", nil]])
        }
    }

    @Test("an error says how many statements had completed, and where it is")
    func failingStatement() async throws {
        try await connected { connection in
            let error = await #expect(throws: PostgresError.self) {
                _ = try await connection.execute("SELECT 1; SELECT 2; SELECT nosuch; SELECT 3")
            }
            guard case .server(let server)? = error else {
                Issue.record("not a server's error: \(String(describing: error))")
                return
            }
            #expect(server.sqlState == "42703")
            #expect(server.completedStatements == 2)
            #expect(server.position == 28)
            #expect(await connection.isOpen)
        }
    }

    @Test("cancelling the task ends the statement long before its time")
    func cancel() async throws {
        try await connected { connection in
            let task = Task { try await connection.execute("SELECT 1; SELECT pg_sleep(30.125)") }
            let cluster = try await TestCluster.shared()
            let sleepers = """
                SELECT count(*) FROM pg_stat_activity WHERE state = 'active'
                    AND query LIKE '%pg_sleep(30.125)%' AND pid <> pg_backend_pid()
                """
            #expect(try await eventually { try await cluster.psql(sleepers).first == "1" })
            let start = ContinuousClock.now
            task.cancel()
            let result = await task.result
            #expect(ContinuousClock.now - start < .seconds(15))
            #expect(throws: PostgresError.cancelled(completedStatements: 1)) { try result.get() }
            // A late cancel request could hit the next statement, so there is none.
            #expect(await !connection.isOpen)
        }
    }

    @Test("a deadline ends the statement")
    func deadline() async throws {
        try await connected { connection in
            await #expect(throws: PostgresError.deadlinePassed) {
                _ = try await connection.execute(
                    "SELECT pg_sleep(30)", deadline: .after(.milliseconds(100)))
            }
        }
    }

    @Test("a backend that dies is a lost connection")
    func killedBackend() async throws {
        try await connected { connection in
            let error = await #expect(throws: PostgresError.self) {
                _ = try await connection.execute(
                    "SELECT pg_terminate_backend(pg_backend_pid()); SELECT 1")
            }
            #expect(error?.sqlState == "57P01" || error?.sqlState == nil)
            #expect(await !connection.isOpen)
        }
    }

    @Test("what the server says beside its results reaches the receiver")
    func notices() async throws {
        try await TestCluster.withDatabase { database in
            let (notices, continuation) = AsyncStream.makeStream(of: PostgresNotice.self)
            let connection = try await PostgresConnection.connect(
                ConnectionString.parse(Secret(database.url)),
                onNotice: { continuation.yield($0) })
            _ = try await connection.execute("DO $$ BEGIN RAISE WARNING 'look'; END $$")
            var iterator = notices.makeAsyncIterator()
            let notice = await iterator.next()
            #expect(notice?.severity == "WARNING")
            #expect(notice?.message == "look")
            await connection.close()
        }
    }

    @Test(
        "a connection that does not come about says why, without the password",
        arguments: [
            ("postgresql://nobody:s3cret-word@127.0.0.1:1/db", "Connection refused"),
            ("postgresql://nobody:s3cret-word@/db?host=/nonexistent", "No such file"),
        ])
    func refused(url: String, reason: String) async throws {
        let error = await #expect(throws: PostgresError.self) {
            _ = try await PostgresConnection.connect(ConnectionString.parse(Secret(url)))
        }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains(reason))
        #expect(!text.contains("s3cret-word"))
        #expect(error?.sqlState == "08001")
    }

    @Test("a server that accepts and says nothing is given up at the deadline")
    func silentServer() async throws {
        try await TestCluster.withDatabase { database in
            let error = await #expect(throws: PostgresError.self) {
                _ = try await PostgresConnection.connect(
                    ConnectionString.parse(Secret(database.url)), deadline: .after(.zero))
            }
            #expect(error?.sqlState == "08001")
        }
    }

    @Test("COPY does not hang the conversation")
    func copy() async throws {
        try await connected { connection in
            _ = try await connection.execute("CREATE TABLE t (a int)")
            await #expect(throws: PostgresError.self) {
                _ = try await connection.execute("COPY t FROM STDIN")
            }
            let results = try await connection.execute(
                "COPY (SELECT generate_series(1, 1000)) TO STDOUT; SELECT 1")
            #expect(results.last?.rows == [["1"]])
        }
    }

    @Test("a COPY that sends without end is cancelled like anything else")
    func cancelCopy() async throws {
        try await connected { connection in
            await #expect(throws: PostgresError.deadlinePassed) {
                _ = try await connection.execute(
                    "COPY (SELECT generate_series(1, 1000000000)) TO STDOUT",
                    deadline: .after(.milliseconds(200)))
            }
            #expect(await !connection.isOpen)
        }
    }

    @Test("a message of many megabytes goes through whole")
    func longMessage() async throws {
        try await connected { connection in
            let text = String(repeating: "x", count: 20_000_000)
            let rows = try await connection.query("SELECT length($1), $1 = $2", [text, text])
            #expect(rows == [["20000000", "t"]])
        }
    }

    @Test("a null byte is refused, not taken for the end")
    func nullByte() async throws {
        try await connected { connection in
            let error = await #expect(throws: PostgresError.self) {
                _ = try await connection.query("SELECT $1::text", ["a\0b"])
            }
            #expect(error?.sqlState == "22021")
            await #expect(throws: PostgresError.self) {
                _ = try await connection.execute("SELECT 1; \0 DROP TABLE t")
            }
            let rows = try await connection.query("SELECT 1")
            #expect(rows == [["1"]])
        }
    }

    @Test("texts are UTF-8, whatever the environment and the database say")
    func encoding() async throws {
        let cluster = try await TestCluster.shared()
        let name = "latin_database"
        try await cluster.psql(
            "CREATE DATABASE \(name) TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        let connection = try await PostgresConnection.connect(
            ConnectionString.parse(Secret(cluster.url(database: name))))
        let rows = try await connection.query("SELECT $1::text, length($1)", ["é"])
        #expect(rows == [["é", "1"]])
        #expect(try await connection.execute("SHOW client_encoding")[0].rows == [["UTF8"]])
        await connection.close()
        try await cluster.psql("DROP DATABASE \(name) WITH (FORCE)")
    }

    @Test("connections by the dozen, cancelled at any moment, leave none behind")
    func cancelledConnects() async throws {
        try await TestCluster.withDatabase { database in
            let parameters = try database.parameters
            await withTaskGroup { group in
                for number in 0..<24 {
                    group.addTask {
                        let task = Task {
                            let connection = try await PostgresConnection.connect(parameters)
                            _ = try await connection.query("SELECT pg_sleep(0.05)")
                            await connection.close()
                        }
                        if number % 3 > 0 {
                            try? await Task.sleep(for: .milliseconds(number * 2))
                            task.cancel()
                        }
                        _ = await task.result
                    }
                }
            }
            let isEmpty = try await eventually {
                try await database.psql(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                        + "AND pid <> pg_backend_pid()"
                ).hasPrefix("0")
            }
            #expect(isEmpty)
        }
    }
}
