/// What is known of the keywords of connection strings: libpq's, and those of Python drivers.
package enum ConnectionKeyword {
    /// What a keyword is to a daemon with a certain libpq.
    enum Meaning: Equatable {
        case libPQ
        /// It says something to a Python driver, and nothing to libpq.
        case driver
        /// The libpq that introduced it is newer than the one at hand.
        case needs(major: Int)
        /// libpq has it, but was built without.
        case leftOut
        /// It makes another kind of session.
        case session
        case unknown
    }

    static func meaning(of keyword: String, in libPQ: LibPQ) -> Meaning {
        if keyword == "replication" { return .session }
        // The daemon speaks UTF-8 whatever it says.
        if keyword == "client_encoding" { return .driver }
        if libPQ.keywords.contains(keyword) { return .libPQ }
        let introduced = versions[keyword]
        if let introduced, introduced > libPQ.major { return .needs(major: introduced) }
        if PythonDriver.keywords.contains(keyword) { return .driver }
        return introduced == nil ? .unknown : .leftOut
    }

    /// libpq's keyword for another way of writing it in a URL.
    static func canonical(_ keyword: String) -> String {
        switch keyword {
        case "ssl": "sslmode"
        case "database": "dbname"
        default: keyword
        }
    }

    /// The keywords of libpq that are known here, each with the major version that introduced it; 0
    /// for those of any version that is still supported. Their order is that of a written list.
    static let introduced: [(keyword: String, major: Int)] = [
        ("host", 0), ("hostaddr", 0), ("port", 0), ("dbname", 0), ("user", 0), ("password", 0),
        ("passfile", 0), ("service", 0), ("servicefile", 19), ("application_name", 0),
        ("channel_binding", 0), ("connect_timeout", 0), ("fallback_application_name", 0),
        ("gssdelegation", 16), ("gssencmode", 0), ("gsslib", 0), ("keepalives", 0),
        ("keepalives_count", 0), ("keepalives_idle", 0), ("keepalives_interval", 0),
        ("krbsrvname", 0), ("load_balance_hosts", 16), ("max_protocol_version", 18),
        ("min_protocol_version", 18), ("oauth_client_id", 18), ("oauth_client_secret", 18),
        ("oauth_issuer", 18), ("oauth_scope", 18), ("options", 0), ("require_auth", 16),
        ("requirepeer", 0), ("scram_client_key", 18), ("scram_server_key", 18),
        ("ssl_max_protocol_version", 0), ("ssl_min_protocol_version", 0), ("sslcert", 0),
        ("sslcertmode", 16), ("sslcompression", 0), ("sslcrl", 0), ("sslcrldir", 14),
        ("sslkey", 0), ("sslkeylogfile", 18), ("sslmode", 0), ("sslnegotiation", 17),
        ("sslpassword", 0), ("sslrootcert", 0), ("sslsni", 14), ("target_session_attrs", 0),
        ("tcp_user_timeout", 0),
    ]

    private static let versions = Dictionary(
        uniqueKeysWithValues: introduced.map { ($0.keyword, $0.major) })

    static let sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

    /// Whether the keyword's value must never be shown.
    package static func isSecret(_ keyword: String) -> Bool {
        [
            "password", "sslpassword", "oauth_client_secret", "scram_client_key",
            "scram_server_key",
        ].contains(keyword)
    }

    /// Whether `first` stands before `second` in the list that libpq is given.
    static func areInOrder(_ first: String, _ second: String) -> Bool {
        let (before, after) = (place(first), place(second))
        return before == after ? first < second : before < after
    }

    private static func place(_ keyword: String) -> Int { places[keyword] ?? introduced.count }

    private static let places = Dictionary(
        uniqueKeysWithValues: introduced.enumerated().map { ($1.keyword, $0) })
}

/// A libpq: its version, and the keywords that it takes.
package struct LibPQ: Sendable, Equatable {
    /// As libpq numbers itself: 150018 is 15.18.
    package let version: Int
    let keywords: Set<String>

    var major: Int { version / 10_000 }

    /// The version as people write it.
    package var name: String { "\(major).\(version % 10_000)" }
}
