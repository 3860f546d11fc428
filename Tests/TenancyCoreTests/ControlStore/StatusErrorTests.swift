import Testing

@testable import ControlStore
@testable import PostgresClient

@Suite("Errors of the control database")
struct StatusErrorTests {
    @Test(
        "want of room, memory or connections passes, and so does a broken connection; a mistake stays",
        arguments: [
            ("53100", true), ("53200", true), ("53300", true), ("58030", true), ("40001", true),
            ("55P03", true), ("57P03", true), ("08006", true), ("42P01", false), ("42501", false),
            ("3D000", false), ("22P02", false),
        ])
    func temporary(state: String, expected: Bool) {
        let error = StatusError(.server(ServerError(sqlState: state, message: "no")))
        #expect(error.isTemporary == expected)
        #expect(error.isAboutValue == state.hasPrefix("22"))
    }
}
