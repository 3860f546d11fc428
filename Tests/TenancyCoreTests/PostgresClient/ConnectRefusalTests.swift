import PrivatePostgres
import TestSupport
import Testing

@testable import PostgresClient

@Suite(.timeLimit(.minutes(5))) struct ConnectRefusalTests {
    @Test(
        "the code is taken out of libpq's message, in any language",
        arguments: [
            (
                "connection to server at \"h\" failed: FATAL:  3D000: database \"x\" does not exist"
                    + "; LOCATION:  InitPostgres, postinit.c:885",
                "connection to server at \"h\" failed: FATAL: database \"x\" does not exist",
                "3D000"
            ),
            (
                "FATAL:  53300: Verbindungen ausgeschöpft; LOCATION:  x",
                "FATAL: Verbindungen ausgeschöpft",
                "53300"
            ),
            (
                "could not connect: Connection refused", "could not connect: Connection refused",
                "08001"
            ),
            (
                "host a: FATAL:  57P03: starting; host b: FATAL:  28P01: no",
                "host a: FATAL: starting; host b: FATAL: no", "28P01"
            ),
            ("odd:  words: here", "odd:  words: here", "08001"),
            ("", "", "08001"),
        ])
    func read(text: String, message: String, state: String) {
        let refusal = ConnectRefusal(text, otherwise: .network)
        #expect(refusal.message == message)
        #expect(refusal.sqlState == state)
    }

    @Test("what libpq refuses has no code and is not tried again")
    func client() {
        let refusal = ConnectRefusal("root certificate file missing", otherwise: .client)
        #expect(refusal.sqlState == nil && !refusal.isRetryable)
        #expect(ConnectRefusal("x", otherwise: .network).isRetryable)
        #expect(!ConnectRefusal("FATAL:  28P01: no", otherwise: .client).isRetryable)
        #expect(ConnectRefusal("FATAL:  57P03: no", otherwise: .client).isRetryable)
    }

    @Test("a server's refusal carries its code and no place in its source")
    func server() async throws {
        let cluster = try await TestCluster.shared()
        let refusal = try await refusal(of: cluster.url(database: "no-such"))
        #expect(refusal?.origin == .server(sqlState: SQLState.invalidCatalogName))
        let text = refusal?.message ?? ""
        #expect(text.hasSuffix("FATAL: database \"no-such\" does not exist"))
    }

    private func refusal(of url: String) async throws -> ConnectRefusal? {
        let parameters = try ConnectionString.parse(Secret(url))
        do throws(PostgresError) {
            _ = try await PostgresConnection.connect(parameters)
        } catch {
            guard case .connectFailed(let refusal) = error else { throw error }
            return refusal
        }
        return nil
    }

    @Test(
        "an option that libpq refuses is the client's refusal, wherever it leads",
        arguments: [
            "postgresql://h.invalid/db?channel_binding=perhaps",
            "postgresql://127.0.0.1:1/db?keepalives=perhaps",
            "postgresql://127.0.0.1:1,127.0.0.1:2/db?ssl_min_protocol_version=TLSv9",
            "postgresql:///db?host=/nowhere&gssencmode=perhaps",
        ])
    func options(url: String) async throws {
        #expect(try await refusal(of: url)?.origin == .client)
        let parameters = try ConnectionString.parse(Secret(url))
        let found = await PostgresConnection.clientRefusal(
            of: parameters, on: ConnectionThread())
        #expect(found?.origin == .client)
    }

    @Test(
        "nobody there is the network's refusal",
        arguments: [
            "postgresql://h.invalid/db", "postgresql://127.0.0.1:1/db",
            "postgresql://127.0.0.1:1,127.0.0.1:2/db", "postgresql:///db?host=/nowhere",
        ])
    func network(url: String) async throws {
        #expect(try await refusal(of: url)?.origin == .network)
        let parameters = try ConnectionString.parse(Secret(url))
        #expect(
            await PostgresConnection.clientRefusal(of: parameters, on: ConnectionThread()) == nil)
    }

    @Test("a server that does not do what libpq insists on is the client's refusal")
    func insistence() async throws {
        let url = try await TestCluster.shared().url(database: "postgres")
        #expect(try await refusal(of: url + "?sslmode=require")?.origin == .client)
        let other = try await refusal(of: url + "?target_session_attrs=standby")
        #expect(other?.origin == .network, "a standby may be there in a moment")
    }
}
