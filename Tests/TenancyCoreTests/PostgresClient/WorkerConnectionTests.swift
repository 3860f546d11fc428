import PrivatePostgres
import TestSupport
import Testing

@testable import PostgresClient
@testable import Support

@Suite(.timeLimit(.minutes(5))) struct WorkerConnectionTests {
    private func worker(_ slots: ServerSlots) -> WorkerConnection {
        WorkerConnection(slots: slots, connectTimeout: .seconds(10), onNotice: { _ in })
    }

    private func pid(_ connection: PostgresConnection) async throws -> String {
        let rows = try await connection.query("SELECT pg_backend_pid()")
        return (rows.first?.first ?? nil) ?? ""
    }

    @Test("one database is one connection, until it has seen 500 schemas")
    func recycled() async throws {
        try await TestCluster.withDatabase { database in
            let slots = ServerSlots(limit: 1)
            let worker = worker(slots)
            let parameters = try database.parameters
            let first = try await pid(worker.connection(for: parameters, schemas: 1))
            #expect(worker.databaseKey == parameters.databaseKey)
            for schemas in [400, 99, 0] {
                #expect(
                    try await pid(worker.connection(for: parameters, schemas: schemas)) == first)
            }
            let second = try await pid(worker.connection(for: parameters, schemas: 1))
            #expect(second != first)
            // More at once than a connection lasts is no reason to open one for nothing.
            await worker.close()
            let third = try await pid(worker.connection(for: parameters, schemas: 1_000))
            #expect(try await pid(worker.connection(for: parameters, schemas: 0)) != third)
            #expect(await slots.used(at: parameters.serverKey) == 1)
            await worker.close()
            await worker.close()
            #expect(await slots.used(at: parameters.serverKey) == 0)
            #expect(worker.databaseKey == nil)
        }
    }

    @Test("a connection that was closed is replaced, and another database gets its own")
    func replaced() async throws {
        try await TestCluster.withDatabase { database in
            let slots = ServerSlots(limit: 1)
            let worker = worker(slots)
            let parameters = try database.parameters
            let connection = try await worker.connection(for: parameters, schemas: 1)
            await connection.close()
            let next = try await worker.connection(for: parameters, schemas: 1)
            #expect(await next.isOpen)
            let other = parameters.setting("dbname", to: "postgres")
            let name = try await worker.connection(for: other, schemas: 1).query(
                "SELECT current_database()")
            #expect(name == [["postgres"]])
            #expect(await !next.isOpen)
            #expect(await slots.used(at: parameters.serverKey) == 1)
            await worker.close()
        }
    }

    @Test("a connection that does not come about gives its slot back")
    func failure() async throws {
        let parameters = try ConnectionString.parse(Secret("postgresql://127.0.0.1:1/nowhere"))
        let slots = ServerSlots(limit: 1)
        let worker = worker(slots)
        for _ in 0..<3 {
            await #expect(throws: PostgresError.self) {
                _ = try await worker.connection(for: parameters, schemas: 1)
            }
        }
        #expect(await slots.used(at: parameters.serverKey) == 0)
        try await slots.acquire(parameters.serverKey)
        await #expect(throws: PostgresError.deadlinePassed) {
            _ = try await worker.connection(
                for: parameters, schemas: 1, slotUntil: .after(.milliseconds(1)))
        }
    }

    @Test("what libpq and the server refuse never makes a server count as away")
    func bystanders() async throws {
        let cluster = try await TestCluster.shared()
        let good = try ConnectionString.parse(Secret(cluster.url(database: "postgres")))
        let slots = ServerSlots(limit: 4)
        let worker = worker(slots)
        _ = try await worker.connection(for: good, schemas: 1)
        await worker.close()
        let bad = [
            good.setting("sslmode", to: "require"), good.setting("keepalives", to: "perhaps"),
            good.setting("dbname", to: "no-such"), good.setting("user", to: "no-such"),
        ]
        for parameters in bad + bad + bad {
            #expect(parameters.serverKey == good.serverKey)
            await #expect(throws: PostgresError.self) {
                _ = try await worker.connection(for: parameters, schemas: 1)
            }
            #expect(slots.breakers.timeUnavailable(good.serverKey) == nil)
        }
        _ = try await worker.connection(for: good, schemas: 1)
        await worker.close()
        // And while it is away the cause that has nothing to do with it is told all the same.
        slots.breakers.recordFailure(of: good.serverKey, isUnavailable: true)
        let refused = await #expect(throws: PostgresError.self) {
            _ = try await worker.connection(for: bad[1], schemas: 1)
        }
        #expect(refused?.sqlState == nil)
        // One that may be tried is tried again soon, so on a slow machine the word is seen late.
        let isToldAway = try await eventually {
            slots.breakers.recordSuccess(of: good.serverKey)
            slots.breakers.recordFailure(of: good.serverKey, isUnavailable: true)
            do throws(PostgresError) {
                _ = try await worker.connection(for: good, schemas: 1)
                await worker.close()
                return false
            } catch {
                return error.sqlState == SQLState.cannotConnectNow
            }
        }
        #expect(isToldAway)
    }

    @Test(
        "a slot is given up for those who wait, after its quantum and not before",
        arguments: [(Duration.seconds(600), false), (.zero, true)])
    func yields(quantum: Duration, givesUp: Bool) async throws {
        try await TestCluster.withDatabase { database in
            let slots = ServerSlots(limit: 1)
            let worker = WorkerConnection(
                slots: slots, connectTimeout: .seconds(10), quantum: quantum, onNotice: { _ in })
            let parameters = try database.parameters
            _ = try await worker.connection(for: parameters, schemas: 1)
            let key = parameters.serverKey
            await worker.yieldIfContended()
            #expect(worker.databaseKey != nil, "nobody waits")
            let waiting = Task { try await slots.acquire(key) }
            #expect(try await eventually { await slots.isContended(key) })
            await worker.yieldIfContended()
            #expect((worker.databaseKey == nil) == givesUp)
            await worker.close()
            try await waiting.value
            #expect(await slots.used(at: key) == 1)
        }
    }
}
