import PrivatePostgres
import TestSupport
import Testing

@testable import TenancyCore

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
        let refusal = ConnectRefusal(text)
        #expect(refusal.message == message)
        #expect(refusal.sqlState == state)
    }

    @Test("a server's refusal carries its code and no place in its source")
    func server() async throws {
        let cluster = try await TestCluster.shared()
        let error = await #expect(throws: PostgresError.self) {
            _ = try await PostgresConnection.connect(
                ConnectionString.parse(Secret(cluster.url(database: "no-such"))))
        }
        #expect(error?.sqlState == SQLState.invalidCatalogName)
        let text = error.map { "\($0)" } ?? ""
        #expect(text.hasSuffix("FATAL: database \"no-such\" does not exist"))
    }
}
