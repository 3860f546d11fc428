import TestSupport

@testable import PostgresClient

extension TestDatabase {
    var parameters: ConnectionParameters {
        get throws { try ConnectionString.parse(Secret(url)) }
    }

    func connect() async throws -> PostgresConnection {
        try await PostgresConnection.connect(parameters)
    }
}
