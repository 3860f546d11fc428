import Testing

@testable import PostgresClient
@testable import Tenants

private func pairs(_ text: String) throws(ConnectionStringError) -> String {
    try ConnectionString.parse(Secret(text)).keywordValues
        .map { "\($0.keyword)=\($0.value)" }.joined(separator: "|")
}

@Suite struct ConnectionStringTests {
    @Test(
        "a URL is read as SQLAlchemy reads it",
        arguments: [
            (
                "postgresql+asyncpg://app:p%40ss%2Fword@db.example.com:6432/main",
                "host=db.example.com|port=6432|dbname=main|user=app|password=p@ss/word"
            ),
            ("postgresql:///app", "dbname=app"), ("postgresql://", ""),
            ("postgres://h/db", "host=h|dbname=db"),
            ("POSTGRESQL+PSYCOPG2://h", "host=h"), ("postgresql://u@h/", "host=h|user=u"),
            ("postgresql://u@/db?host=/var/run/pg", "host=/var/run/pg|dbname=db|user=u"),
            ("postgresql://%2Fvar%2Frun/db", "host=/var/run|dbname=db"),
            ("postgresql://h/my%20db", "host=h|dbname=my db"),
            (
                "postgresql://u:p+x@h/db?application_name=a+b&options=",
                "host=h|dbname=db|user=u|password=p+x|application_name=a b"
            ),
            ("postgresql://[::1]:5433/db", "host=::1|port=5433|dbname=db"),
            ("postgresql://[::1]/db", "host=::1|dbname=db"),
            ("postgresql://u:pa/ss@h/db", "host=h|dbname=db|user=u|password=pa/ss"),
            ("postgresql://u:100%@h/db", "host=h|dbname=db|user=u|password=100%"),
            ("postgresql://u:@h/db", "host=h|dbname=db|user=u"),
            ("postgresql://h:/db", "host=h|dbname=db"),
            ("postgresql+asyncpg://h/db?ssl=require", "host=h|dbname=db|sslmode=require"),
            ("postgresql://h/db?ssl=true", "host=h|dbname=db|sslmode=require"),
            ("postgresql+asyncpg://h?database=db", "host=h|dbname=db"),
            (
                "postgresql+pg8000://u@/db?unix_sock=/run/postgresql/.s.PGSQL.5433",
                "host=/run/postgresql|port=5433|dbname=db|user=u"
            ),
            ("postgresql://h:5432/db?user=a@b", "host=h|port=5432|dbname=db|user=a@b"),
            (
                "postgresql://h/db?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3",
                "host=h|dbname=db|connect_timeout=3|sslmode=verify-full|sslrootcert=/ca.pem"
            ),
        ])
    func urls(text: String, expected: String) throws {
        #expect(try pairs(text) == expected)
    }

    @Test(
        "several hosts are read in libpq's and in SQLAlchemy's form",
        arguments: [
            ("postgresql://h1:5432,h2:5433/db", "host=h1,h2|port=5432,5433|dbname=db"),
            ("postgresql://h1,h2/db", "host=h1,h2|dbname=db"),
            ("postgresql://h1,h2:1/db", "host=h1,h2|port=,1|dbname=db"),
            ("postgresql://u@/db?host=h1:1&host=h2:2", "host=h1,h2|port=1,2|dbname=db|user=u"),
            ("postgresql:///db?host=h1,h2&port=1,2", "host=h1,h2|port=1,2|dbname=db"),
            ("postgresql:///db?host=h1,h2&port=7", "host=h1,h2|port=7|dbname=db"),
            (
                "postgresql://a,b/db?target_session_attrs=read-write",
                "host=a,b|dbname=db|target_session_attrs=read-write"
            ),
            ("postgresql://[::1]:1,[::2]:2/db", "host=::1,::2|port=1,2|dbname=db"),
        ])
    func hosts(text: String, expected: String) throws {
        #expect(try pairs(text) == expected)
    }

    @Test(
        "libpq's pairs are read with their quotes and escapes",
        arguments: [
            ("host=h dbname=db", "host=h|dbname=db"), ("  host = h  ", "host=h"),
            (#"password='it\'s \\ me' user=u"#, #"user=u|password=it's \ me"#),
            (#"password=a\ b"#, "password=a b"), ("dbname=''", ""), ("user=", ""),
            ("host=/run/pg port=5433\nuser=u", "host=/run/pg|port=5433|user=u"),
            ("host=a host=b", "host=b"),
        ])
    func conninfo(text: String, expected: String) throws {
        #expect(try pairs(text) == expected)
    }

    @Test(
        "what cannot be used is refused without repeating a secret",
        arguments: [
            ("", .notAConnectionString), ("db.example.com/main", .notAConnectionString),
            ("://x", .notAConnectionString),
            ("mysql+aiomysql://u:sesame@h/db", .notPostgres(scheme: "mysql+aiomysql")),
            ("sqlite:///sesame.db", .notPostgres(scheme: "sqlite")),
            ("postgresql://u:p@sesame@h/db", .strayAt),
            ("postgresql://u:p@h/sesame@h2/db", .strayAt),
            ("postgresql://u:p@x/sesame@h/db", .strayAt),
            ("postgresql://u:1?sesame@h/db", .strayAt),
            ("postgresql://u:p@x?sesame@h/db", .strayAt), ("postgresql://h/db@sesame", .strayAt),
            ("postgresql://u:1?sesame=x@h/db", .unknownKeyword(nil)),
            ("postgresql://u:ses:ame/db", .badPort),
            (
                "host=h dbname=postgresql://u:sesame@h/db",
                .badValue(
                    keyword: "dbname", expected: "a plain name")
            ),
            (
                "host=postgresql://u:sesame@h/db",
                .badValue(
                    keyword: "host", expected: "a plain name")
            ),
            ("postgresql://u:sesame?x@h/db", .strayAt), ("postgresql://h:0/db", .badPort),
            ("postgresql://h:65536/db", .badPort), ("postgresql://h:+5/db", .badPort),
            ("postgresql://u:%FF@h/db", .notText), ("postgresql://u:%00@h/db", .notText),
            ("host=sesame\0", .notText),
            ("postgresql://h1:1,h2:2,h3:3/db?port=1,2", .hostsAndPortsDiffer(hosts: 3, ports: 2)),
            ("postgresql://h/db?sllmode=require", .unknownKeyword("sllmode")),
            ("postgresql://h/db?password=a&sesame=b", .unknownKeyword(nil)),
            ("postgresql://h/db?s3same%20x=b", .unknownKeyword(nil)),
            ("password=open sesame=1", .unknownKeyword(nil)),
            ("password=a sesame", .malformedPairs),
            ("password='sesame", .malformedPairs), ("=sesame", .malformedPairs),
            ("postgresql://h/db?replication=database", .sessionKeyword("replication")),
            (
                "postgresql+pg8000://h/db?unix_sock=/run/sesame",
                .badValue(
                    keyword: "unix_sock",
                    expected: "a socket's path, as in /run/postgresql/.s.PGSQL.5432")
            ),
        ] as [(String, ConnectionStringError)])
    func refusals(text: String, expected: ConnectionStringError) {
        let error = #expect(throws: ConnectionStringError.self) { try pairs(text) }
        #expect(error == expected)
        #expect(error.map { !"\($0)".contains("sesame") } == true)
    }

    @Test("a wrong mode names the modes, and a wrong keyword the near one")
    func hints() {
        let mode = #expect(throws: ConnectionStringError.self) {
            try pairs("postgresql://h/db?ssl=sesame")
        }
        let modes = "disable, allow, prefer, require, verify-ca, verify-full"
        #expect(mode.map { "\($0)" } == "has a value for ssl that is not one of \(modes)")
        let keyword = #expect(throws: ConnectionStringError.self) { try pairs("sslmod=x") }
        #expect(keyword.map { "\($0)".hasSuffix("did you mean \"sslmode\"?") } == true)
    }

    @Test(
        "server and database have one way of writing",
        arguments: [
            ("postgresql://u@DB.Example.com/x", "db.example.com:5432", "u@db.example.com:5432/x"),
            ("postgresql:///x", "[local]:5432", "@[local]:5432/x"),
            ("host=/Run/Pg port=5433 user=u", "/Run/Pg:5433", "u@/Run/Pg:5433/u"),
            ("postgresql://[::1]:1,h2/x", "[::1]:1,h2:5432", "@[::1]:1,h2:5432/x"),
            ("hostaddr=10.0.0.1 dbname=x", "10.0.0.1:5432", "@10.0.0.1:5432/x"),
            ("host=a,b port=7 dbname=x", "a:7,b:7", "@a:7,b:7/x"),
        ])
    func keys(text: String, server: String, database: String) throws {
        let parameters = try ConnectionString.parse(Secret(text))
        #expect(parameters.serverKey == server)
        #expect(parameters.databaseKey == database)
    }

    @Test("no way of printing shows a password")
    func printing() throws {
        let url = "postgresql://u:sesame@h/db?sslpassword=sesame&sslkey=k"
        let parameters = try ConnectionString.parse(Secret(url))
        let target = Target(connection: parameters, schema: nil)
        var texts = ["\(parameters)", String(reflecting: parameters), target.label, "\(target)"]
        texts += [String(reflecting: target), "\(Secret("sesame"))", "\([Secret("sesame")])"]
        texts.append(parameters["password"] ?? "")
        for value in [parameters, target, Secret("sesame")] as [Any] {
            var text = ""
            dump(value, to: &text)
            texts.append(text)
        }
        #expect(texts.allSatisfy { !$0.contains("sesame") })
        #expect("\(parameters)" == "host=h dbname=db user=u")
        #expect(parameters["sslkey"] == "k")
        #expect(parameters.keywordValues.contains { $0 == ("password", "sesame") })
    }

    @Test("a keyword is replaced or added")
    func setting() throws {
        let parameters = try ConnectionString.parse(Secret("host=h application_name=a"))
        let changed = parameters.setting("application_name", to: "migrationd")
            .setting("connect_timeout", to: "3")
        let expected = Secret("host=h application_name=migrationd connect_timeout=3")
        #expect(changed == (try ConnectionString.parse(expected)))
    }
}
