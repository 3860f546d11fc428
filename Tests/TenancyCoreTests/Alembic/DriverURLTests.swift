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

    @Test(
        "a driver's own keywords are for the driver alone",
        arguments: [
            ("postgresql+asyncpg://h/db?command_timeout=60&timeout=5", true),
            ("postgresql+asyncpg://h/db?server_settings=%7B%22a%22%3A%22b%22%7D", true),
            ("postgresql+psycopg://h/db?prepare_threshold=0", true),
            ("postgresql+pg8000://h/db?tcp_keepalive=true", true),
            ("postgresql+psycopg2://h/db?command_timeout=60", false),
            ("postgresql+asyncpg://h/db?prepare_threshold=0", false),
            ("postgresql://h/db?statement_cache_size=0", false),
        ])
    func driversOwn(url: String, isHandedOn: Bool) throws {
        let parameters = try ConnectionString.parse(Secret(url))
        #expect(parameters == (try ConnectionString.parse(Secret("host=h dbname=db"))))
        let plain = String(url.prefix { $0 != "?" })
        #expect(parameters.driverURL == (isHandedOn ? url : plain))
    }

    @Test func aPasswordIsTakenOutOfTextsInEitherWayOfWriting() throws {
        let parameters = try ConnectionString.parse(Secret("postgresql://u:p%40ss@host/app"))
        #expect(parameters.scrubbed("p@ss and p%40ss and pass") == "*** and *** and pass")
    }
}
