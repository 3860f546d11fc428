import TestSupport
import Testing

@testable import Engine
@testable import PostgresClient
@testable import Tenants

@Suite(.timeLimit(.minutes(5))) struct VersionReaderTests {
    private let reader = VersionReader(
        settings: SessionSettings(lockTimeoutMilliseconds: 100, statementTimeoutMilliseconds: 0))

    @Test("schemas with rows, without a table, and missing ones are told apart, in order")
    func mix() async throws {
        try await TestCluster.withDatabase { database in
            try await database.psql(
                """
                CREATE SCHEMA a; CREATE SCHEMA "B-1"; CREATE SCHEMA empty; CREATE SCHEMA bare;
                CREATE TABLE a.alembic_version (version_num varchar(32) PRIMARY KEY);
                CREATE TABLE "B-1".alembic_version (version_num varchar(32) PRIMARY KEY);
                CREATE TABLE empty.alembic_version (version_num varchar(32) PRIMARY KEY);
                INSERT INTO a.alembic_version VALUES ('r1');
                INSERT INTO "B-1".alembic_version VALUES ('x'), ('y');
                """)
            let connection = try await database.connect()
            let names = ["missing", "a", "bare", "B-1", "b-1", "empty", "a"]
            let states = try await reader.read(
                names.map { try SchemaName($0) } + [nil], on: connection)
            #expect(
                states == [
                    .missingSchema, .rows(["r1"]), .noTable, .rows(["x", "y"]), .missingSchema,
                    .rows([]), .rows(["r1"]), .noTable,
                ])
            #expect(try await reader.read([], on: connection) == [])
            await connection.close()
        }
    }

    @Test("450 schemas are read in chunks, each in its place")
    func many() async throws {
        try await TestCluster.withDatabase { database in
            try await database.psql(
                """
                SELECT format('CREATE SCHEMA s%s', n) FROM generate_series(1, 450) n \\gexec
                SELECT format('CREATE TABLE s%s.alembic_version AS SELECT %L::text version_num', n, n)
                FROM generate_series(1, 450) n WHERE n % 3 > 0 \\gexec
                """)
            let connection = try await database.connect()
            let states = try await reader.read(
                (1...450).map { try SchemaName("s\($0)") }, on: connection)
            let expected = (1...450).map { number -> VersionState in
                number % 3 == 0 ? .noTable : .rows(["\(number)"])
            }
            #expect(states == expected)
            await connection.close()
        }
    }

    @Test("a version table that is a view is read all the same, and its neighbours with it")
    func view() async throws {
        try await TestCluster.withDatabase { database in
            try await database.psql(
                """
                CREATE SCHEMA a; CREATE SCHEMA b;
                CREATE TABLE a.alembic_version AS SELECT 'r1'::text version_num;
                CREATE VIEW b.alembic_version AS SELECT 'r2'::text version_num;
                """)
            let connection = try await database.connect()
            let states = try await reader.read(
                ["a", "b"].map { try SchemaName($0) }, on: connection)
            #expect(states == [.rows(["r1"]), .rows(["r2"])])
            await connection.close()
        }
    }

    @Test("rows with characters that COPY escapes are read as they are")
    func escapes() async throws {
        try await TestCluster.withDatabase { database in
            try await database.psql(
                """
                CREATE TABLE alembic_version (version_num text);
                INSERT INTO alembic_version VALUES (E'a\\\\N\\tb\\nc'), ('é'), (NULL), ('');
                """)
            let connection = try await database.connect()
            let states = try await reader.read([nil], on: connection)
            #expect(states == [.rows(["a\\N\tb\nc", "é", ""])])
            await connection.close()
        }
    }

    @Test("a table that is held does not block the reader indefinitely")
    func held() async throws {
        try await TestCluster.withDatabase { database in
            try await database.psql("CREATE TABLE alembic_version (version_num text)")
            let holder = try await database.connect()
            _ = try await holder.execute("BEGIN; LOCK alembic_version")
            let connection = try await database.connect()
            let error = await #expect(throws: PostgresError.self) {
                _ = try await reader.read([nil], on: connection)
            }
            #expect(error?.sqlState == SQLState.lockNotAvailable)
            #expect(await !connection.isInTransaction)
            _ = try await holder.execute("ROLLBACK")
            #expect(try await reader.read([nil], on: connection) == [.rows([])])
            await holder.close()
            await connection.close()
        }
    }
}
