import Testing

@testable import Alembic
@testable import PostgresClient

@Suite("A target's database as SQLAlchemy is told of it")
struct DriverURLTests {
    @Test(arguments: [
        "postgresql+psycopg2://user:p%40ss%2Fw%25rd@host:5433/app?application_name=x",
        "postgresql://host/app", "postgresql+asyncpg://u@[::1]:5432/app?ssl=require",
        "postgresql://u@/app?host=%2Frun%2Fpostgresql",
    ])
    func aURLComesBackAsItWas(url: String) throws {
        #expect(try ConnectionString.parse(Secret(url)).driverURL() == url)
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
        ] as [(String, Bool)])
    func driversOwn(url: String, isHandedOn: Bool) throws {
        let parameters = try ConnectionString.parse(Secret(url))
        #expect(parameters == (try ConnectionString.parse(Secret("host=h dbname=db"))))
        let plain = String(url.prefix { $0 != "?" })
        #expect(try parameters.driverURL() == (isHandedOn ? url : plain))
    }

    @Test(
        "the driver is one that the project works with",
        arguments: [
            ("postgresql+asyncpg", ["psycopg2", "psycopg"], false, "postgresql+psycopg2"),
            ("postgresql+psycopg", ["psycopg2", "psycopg"], false, "postgresql+psycopg"),
            ("postgresql", ["asyncpg"], false, "postgresql+asyncpg"),
            ("postgres", ["psycopg2"], false, "postgresql+psycopg2"),
            (nil, ["asyncpg", "psycopg"], false, "postgresql+asyncpg"),
            ("postgresql+psycopg2", ["asyncpg", "psycopg"], false, "postgresql+asyncpg"),
            ("postgresql+psycopg", ["asyncpg", "psycopg"], false, "postgresql+psycopg"),
            // SQLAlchemy takes psycopg by itself.
            ("postgres", ["psycopg", "psycopg2"], false, "postgresql"),
            (nil, ["psycopg"], false, "postgresql"),
            ("postgresql+asyncpg", ["psycopg"], false, "postgresql+psycopg"),
            // Nothing is known of the project, or of the dialect.
            ("postgresql+asyncpg", [], false, "postgresql+asyncpg"), (nil, [], false, nil),
            ("postgresql+ours", ["psycopg2"], false, "postgresql+ours"),
            ("postgresql+ours", ["psycopg2"], true, "postgresql+psycopg2"),
            ("postgresql+asyncpg", ["psycopg2"], true, "postgresql+psycopg2"),
        ] as [(String?, [String], Bool, String?)])
    func schemes(given: String?, names: [String], isForced: Bool, expected: String?) {
        let drivers = ProjectDrivers(names: names, standard: "psycopg", isForced: isForced)
        #expect(drivers.scheme(for: given) == expected)
    }

    @Test(
        "a URL says the same in the words of another driver",
        arguments: [
            // From asyncpg to libpq's drivers.
            (
                "postgresql+asyncpg://u:p%40@h:5433/db?ssl=require", "psycopg2",
                "postgresql+psycopg2://u:p%40@h:5433/db?sslmode=require"
            ),
            (
                "postgresql+asyncpg://h/db?timeout=2.5&command_timeout=60", "psycopg2",
                "postgresql+psycopg2://h/db?connect_timeout=3"
            ),
            (
                "postgresql+asyncpg://h/db?connect_timeout=9&timeout=5", "psycopg",
                "postgresql+psycopg://h/db?connect_timeout=9"
            ),
            ("postgresql+asyncpg://h/db?timeout=none", "psycopg", "postgresql+psycopg://h/db"),
            (
                "postgresql+asyncpg://h/db?server_settings={%22a.b%22:%22a b\\\\c%22,%22jit%22:0}",
                "psycopg2",
                "postgresql+psycopg2://h/db?options=-c%20a.b%3Da%5C%20b%5C%5Cc%20-c%20jit%3D0"
            ),
            (
                "postgresql+asyncpg://h/db?options=-c jit=off"
                    + "&server_settings={%22options%22:%22-c a.b=1%22}",
                "psycopg2", "postgresql+psycopg2://h/db?options=-c%20jit%3Doff%20-c%20a.b%3D1"
            ),
            (
                "postgresql+asyncpg://h/db?prepared_statement_cache_size=0&statement_cache_size=0",
                "psycopg", "postgresql+psycopg://h/db?prepare_threshold=none"
            ),
            (
                "postgresql+asyncpg://h/db?prepared_statement_cache_size=0", "psycopg2",
                "postgresql+psycopg2://h/db"
            ),
            (
                "postgresql+asyncpg://h/db?host=/run/pg&port=5433&application_name=shop",
                "psycopg2",
                "postgresql+psycopg2:///db?application_name=shop&host=%2Frun%2Fpg&port=5433"
            ),
            // From libpq to asyncpg.
            (
                "postgresql+psycopg2://h/db?sslmode=verify-full&sslrootcert=/ca.pem", "asyncpg",
                "postgresql+asyncpg://h/db?ssl=verify-full&sslrootcert=%2Fca.pem"
            ),
            (
                "postgresql://h/db?connect_timeout=3&options=-c%20jit%3Doff&application_name=a",
                "asyncpg",
                "postgresql+asyncpg://h/db?application_name=a&options=-c%20jit%3Doff&timeout=3"
            ),
            (
                "postgresql://h/db?connect_timeout=0", "asyncpg",
                "postgresql+asyncpg://h/db?timeout=none"
            ),
            (
                "postgresql://h1,h2:5433/db?target_session_attrs=read-write", "asyncpg",
                "postgresql+asyncpg:///db?host=h1%2Ch2&port=5432%2C5433"
                    + "&target_session_attrs=read-write"
            ),
            (
                "postgresql:///db?host=/run/pg&keepalives=1&channel_binding=prefer", "asyncpg",
                "postgresql+asyncpg:///db?host=%2Frun%2Fpg"
            ),
            ("host=h dbname=db hostaddr=''", "asyncpg", "postgresql+asyncpg://h/db"),
            ("hostaddr=10.0.0.1 dbname=db", "asyncpg", "postgresql+asyncpg://10.0.0.1/db"),
            (
                "postgresql+psycopg://h/db?prepare_threshold=None", "asyncpg",
                "postgresql+asyncpg://h/db?prepared_statement_cache_size=0&statement_cache_size=0"
            ),
            // pg8000, both ways.
            (
                "postgresql+pg8000://u@/db?unix_sock=/run/pg/.s.PGSQL.5433&timeout=4", "psycopg2",
                "postgresql+psycopg2://u@/db?connect_timeout=4&host=%2Frun%2Fpg&port=5433"
            ),
            (
                "postgresql://u@/db?host=/run/pg&connect_timeout=4", "pg8000",
                "postgresql+pg8000://u@/db?timeout=4&unix_sock=%2Frun%2Fpg%2F.s.PGSQL.5432"
            ),
            (
                "postgresql+asyncpg://h/db?ssl=require&server_settings={}", "pg8000",
                "postgresql+pg8000://h/db?sslmode=require&startup_params=%7B%7D"
            ),
            (
                "postgresql+pg8000://h/db?ssl_context=true", "psycopg2",
                "postgresql+psycopg2://h/db?sslmode=require"
            ),
            // Not PostgreSQL.
            ("sqlite:////srv/t.db", "asyncpg", "sqlite:////srv/t.db"),
        ] as [(String, String, String)])
    func translated(url: String, driver: String, expected: String) throws {
        let parameters = try ConnectionString.parseAny(Secret(url))
        #expect(try parameters.driverURL(for: ProjectDrivers(names: [driver])) == expected)
    }

    @Test(
        "what a driver has no word for is named",
        arguments: [
            ("postgresql://h/db?channel_binding=require", "asyncpg", ["channel_binding"]),
            ("postgresql://h/db?gssencmode=require", "pg8000", ["gssencmode"]),
            (
                "postgresql://h/db?sslcrldir=/crl&requirepeer=postgres", "asyncpg",
                ["requirepeer", "sslcrldir"]
            ),
            ("postgresql://h/db?hostaddr=10.0.0.1", "asyncpg", ["hostaddr"]),
            ("postgresql://h1,h2/db", "pg8000", ["several hosts"]),
            ("postgresql://h/db?service=shop&passfile=/p", "pg8000", ["passfile", "service"]),
            (
                "postgresql+asyncpg://h/db?server_settings=search_path", "psycopg2",
                ["server_settings"]
            ),
        ] as [(String, String, [String])])
    func untranslatable(url: String, driver: String, keywords: [String]) throws {
        let parameters = try ConnectionString.parse(Secret(url))
        let error = #expect(throws: ConnectionParameters.Untranslatable.self) {
            try parameters.driverURL(for: ProjectDrivers(names: [driver]))
        }
        #expect(error?.keywords == keywords)
    }

    @Test("a URL without a driver has the words of SQLAlchemy's standard one")
    func plain() throws {
        let given = "postgresql://h/db?statement_cache_size=0&timeout=3"
        let drivers = ProjectDrivers(names: ["psycopg"], standard: "psycopg")
        let url = try ConnectionString.parse(Secret(given)).driverURL(for: drivers)
        #expect(url == "postgresql://h/db?connect_timeout=3&prepare_threshold=none")
    }

    @Test func aPasswordIsTakenOutOfTextsInEitherWayOfWriting() throws {
        let parameters = try ConnectionString.parse(Secret("postgresql://u:p%40ss@host/app"))
        #expect(parameters.scrubbed("p@ss and p%40ss and pass") == "*** and *** and pass")
    }
}
