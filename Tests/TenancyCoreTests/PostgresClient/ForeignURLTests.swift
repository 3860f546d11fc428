import Testing

@testable import Alembic
@testable import PostgresClient

@Suite struct ForeignURLTests {
    @Test(
        "a database of another kind is named without its login",
        arguments: [
            ("sqlite:////srv/t/acme.db", "sqlite", "acme.db"),
            ("sqlite+aiosqlite:///acme.db?timeout=5", "sqlite", "acme.db"),
            ("sqlite://", "sqlite", ""),
            ("mysql+aiomysql://u:sesame@DB1:3306/acme", "mysql db1:3306", "acme"),
            ("mysql://u:sesame@db1/acme?ssl=ses@me", "mysql", ""),
            ("sqlite:////srv/t@2/acme@x.db", "sqlite", ""),
            ("mysql://u:ses/ame@db1/acme", "mysql", ""),
            ("mysql://[::1]:33/acme", "mysql [::1]:33", "acme"),
            ("mssql+pyodbc://?odbc_connect=PWD%3Dsesame", "mssql", ""),
        ])
    func names(url: String, server: String, database: String) throws {
        let parameters = try ConnectionString.parseAny(Secret(url))
        #expect(!parameters.isPostgres && parameters.keywordValues.isEmpty)
        #expect(parameters.serverKey == server)
        #expect(parameters.database == database)
        #expect(try parameters.driverURL() == url)
        #expect(!"\(parameters) \(parameters.databaseKey)".contains("ses"))
    }

    @Test(
        "one that would be read differently than it was meant is refused",
        arguments: [
            ("mysql://u:sesame/acme", .badPort), ("mysql+x://u:sesame", .badPort),
            ("mysql://u:ses?ame", .badPort), ("mysql://u:ses@me@db1/acme", .strayAt),
            ("mysql://u:x@sesame/x@db1/acme", .strayAt),
        ] as [(String, ConnectionStringError)])
    func refusals(url: String, expected: ConnectionStringError) {
        let error = #expect(throws: ConnectionStringError.self) {
            try ConnectionString.parseAny(Secret(url))
        }
        #expect(error == expected)
    }

    @Test("equal URLs are one database, others are others")
    func equality() throws {
        let urls = ["sqlite:///a/x.db", "sqlite:///b/x.db", "mysql://u:a@h/x", "mysql://u:b@h/x"]
        let all = try urls.map { try ConnectionString.parseAny(Secret($0)) }
        #expect(Set(all).count == 4 && Set(all.map(\.databaseKey)).count == 4)
        #expect(try all[0] == ConnectionString.parseAny(Secret(urls[0])))
    }

    @Test("passwords and URLs are taken out of texts")
    func scrubs() throws {
        let parameters = try ConnectionString.parseAny(Secret("mysql://u:sesame@h/x"))
        #expect(parameters.scrubbed("no sesame: mysql://u:sesame@h/x") == "no ***: ***")
        let file = try ConnectionString.parseAny(Secret("sqlite:///x.db"))
        #expect(file.scrubbed("x.db is locked") == "x.db is locked")
    }
}
