import Testing

@testable import TenancyCore

@Suite("A target's database as SQLAlchemy is told of it")
struct DriverURLTests {
    @Test(arguments: [
        "postgresql+psycopg2://user:p%40ss%2Fw%25rd@host:5433/app?application_name=x",
        "postgresql://host/app", "postgresql+asyncpg://u@[::1]:5432/app?ssl=require",
        "postgresql://u@/app?host=%2Frun%2Fpostgresql",
    ])
    func aURLComesBackAsItWas(url: String) throws {
        #expect(try ConnectionString.parse(Secret(url)).driverURL == url)
    }

    @Test func aPasswordIsTakenOutOfTextsInEitherWayOfWriting() throws {
        let parameters = try ConnectionString.parse(Secret("postgresql://u:p%40ss@host/app"))
        #expect(parameters.scrubbed("p@ss and p%40ss and pass") == "*** and *** and pass")
    }
}
