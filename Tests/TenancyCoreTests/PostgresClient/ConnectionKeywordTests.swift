import Testing

@testable import PostgresClient

/// The keywords of libpq as `PQconndefaults` of each version lists them.
extension LibPQ {
    fileprivate static let pq15 = LibPQ(
        version: 150_018,
        keywords: words(
            """
            application_name channel_binding client_encoding connect_timeout dbname \
            fallback_application_name gssencmode gsslib host hostaddr keepalives keepalives_count \
            keepalives_idle keepalives_interval krbsrvname options passfile password port \
            replication requirepeer service ssl_max_protocol_version ssl_min_protocol_version \
            sslcert sslcompression sslcrl sslcrldir sslkey sslmode sslpassword sslrootcert sslsni \
            target_session_attrs tcp_user_timeout user
            """))
    fileprivate static let pq16 = LibPQ(
        version: 160_014,
        keywords: pq15.keywords.union(
            words("gssdelegation load_balance_hosts require_auth sslcertmode")))
    fileprivate static let pq17 = LibPQ(
        version: 170_010, keywords: pq16.keywords.union(words("sslnegotiation")))
    fileprivate static let pq18 = LibPQ(
        version: 180_006,
        keywords: pq17.keywords.union(
            words(
                """
                max_protocol_version min_protocol_version oauth_client_id oauth_client_secret \
                oauth_issuer oauth_scope scram_client_key scram_server_key sslkeylogfile
                """)))
    /// Built without Kerberos.
    fileprivate static let plain15 = LibPQ(
        version: 150_018, keywords: pq15.keywords.subtracting(["krbsrvname", "requirepeer"]))

    private static func words(_ text: String) -> Set<String> {
        Set(text.split(separator: " ").map(String.init))
    }
}

@Suite struct ConnectionKeywordTests {
    @Test(
        "the libpq at hand decides what a keyword is",
        arguments: [
            ("sslmode", .pq15, .libPQ), ("sslsni", .pq15, .libPQ),
            ("sslnegotiation", .pq16, .needs(major: 17)), ("sslnegotiation", .pq17, .libPQ),
            ("require_auth", .pq15, .needs(major: 16)), ("require_auth", .pq16, .libPQ),
            ("load_balance_hosts", .pq15, .needs(major: 16)),
            ("sslcertmode", .pq15, .needs(major: 16)),
            ("gssdelegation", .pq15, .needs(major: 16)),
            ("scram_client_key", .pq17, .needs(major: 18)), ("scram_client_key", .pq18, .libPQ),
            ("min_protocol_version", .pq15, .needs(major: 18)),
            ("oauth_client_secret", .pq16, .needs(major: 18)),
            ("sslkeylogfile", .pq18, .libPQ), ("servicefile", .pq18, .needs(major: 19)),
            ("requirepeer", .plain15, .leftOut),
            // asyncpg has it by itself.
            ("timeout", .pq18, .driver), ("prepared_statement_cache_size", .pq15, .driver),
            ("command_timeout", .pq15, .driver), ("unix_sock", .pq15, .driver),
            ("server_settings", .pq18, .driver), ("prepare_threshold", .pq18, .driver),
            ("tcp_keepalive", .pq15, .driver), ("client_encoding", .pq15, .driver),
            ("replication", .pq18, .session), ("sslmod", .pq18, .unknown),
            ("pgbouncer", .pq15, .unknown),
        ] as [(String, LibPQ, ConnectionKeyword.Meaning)])
    func meanings(keyword: String, libPQ: LibPQ, expected: ConnectionKeyword.Meaning) {
        #expect(ConnectionKeyword.meaning(of: keyword, in: libPQ) == expected)
    }

    @Test("every keyword of each version is known with the version that introduced it")
    func introduced() {
        for libPQ in [LibPQ.pq15, .pq16, .pq17, .pq18] {
            let expected = ConnectionKeyword.introduced.filter { $0.major <= libPQ.major }
            let settled: Set = ["client_encoding", "replication"]
            #expect(libPQ.keywords.subtracting(settled) == Set(expected.map(\.keyword)))
        }
    }

    @Test(
        "what is refused is named, with the version at hand",
        arguments: [
            (
                "postgresql://h/db?sslnegotiation=direct", .pq15,
                #"has the keyword "sslnegotiation", which needs libpq 17; linked is 15.18"#
            ),
            (
                "host=h require_auth=scram-sha-256", .pq15,
                #"has the keyword "require_auth", which needs libpq 16; linked is 15.18"#
            ),
            (
                "postgresql://h/db?min_protocol_version=3.2", .pq17,
                #"has the keyword "min_protocol_version", which needs libpq 18; linked is 17.10"#
            ),
            (
                "postgresql://h/db?requirepeer=postgres", .plain15,
                #"has the keyword "requirepeer", which libpq 15.18 was built without here"#
            ),
            (
                "postgresql+asyncpg://h/db?comand_timeout=60", .pq16,
                #"has the keyword "comand_timeout", which neither libpq 16.14 nor a Python driver "#
                    + #"knows; did you mean "command_timeout"?"#
            ),
            (
                "postgresql://h/db?pgbouncer=true", .pq18,
                #"has the keyword "pgbouncer", which neither libpq 18.6 nor a Python driver knows"#
            ),
            (
                "postgresql://h/db?password=a&sesame=b", .pq18,
                "has a keyword that neither libpq 18.6 nor a Python driver knows"
            ),
            (
                "host=h replication=database", .pq15,
                #"has the keyword "replication", which makes a session that cannot migrate; "#
                    + "leave it out"
            ),
        ] as [(String, LibPQ, String)])
    func refusals(text: String, libPQ: LibPQ, expected: String) {
        let error = #expect(throws: ConnectionStringError.self) {
            try ConnectionString.parse(Secret(text), libPQ: libPQ)
        }
        #expect(error.map { "\($0)" } == expected)
    }

    @Test("a keyword is taken from the version on that has it")
    func taken() throws {
        let url = Secret("postgresql://h/db?sslnegotiation=direct&scram_client_key=k")
        let parameters = try ConnectionString.parse(url, libPQ: .pq18)
        #expect(parameters["sslnegotiation"] == "direct")
        #expect(parameters["scram_client_key"] == nil)
        #expect(
            parameters.keywordValues.map(\.keyword) == [
                "host", "dbname", "scram_client_key", "sslnegotiation",
            ])
    }

    @Test("the linked libpq says what it takes")
    func linked() {
        #expect(LibPQ.linked.version >= 140_000)
        #expect(LibPQ.linked.keywords.isSuperset(of: ["host", "dbname", "sslmode", "options"]))
    }
}
