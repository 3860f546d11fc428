/// What is known of the drivers of PostgreSQL that SQLAlchemy has a dialect for.
package enum PythonDriver: String, CaseIterable, Sendable {
    case psycopg2
    case psycopg
    case psycopgAsync = "psycopg_async"
    case psycopg2cffi
    case pg8000
    case asyncpg

    /// The driver of a URL's scheme, `postgresql+asyncpg`; nil where it names none that is known.
    package init?(scheme: String?) {
        guard let scheme, let plus = scheme.firstIndex(of: "+") else { return nil }
        self.init(rawValue: String(scheme[scheme.index(after: plus)...]))
    }

    /// What the driver's `connect`, or SQLAlchemy on its behalf, takes as text in a URL's query and
    /// libpq has no word for.
    var ownKeywords: Set<String> {
        switch self {
        case .psycopg2, .psycopg2cffi: ["client_encoding"]
        case .psycopg, .psycopgAsync: ["autocommit", "client_encoding", "prepare_threshold"]
        case .pg8000:
            ["source_address", "ssl_context", "startup_params", "tcp_keepalive", "timeout"]
        case .asyncpg:
            [
                "async_fallback", "command_timeout", "direct_tls", "max_cacheable_statement_size",
                "max_cached_statement_lifetime", "prepared_statement_cache_size",
                "server_settings", "statement_cache_size", "timeout",
            ]
        }
    }

    /// The words of all drivers. SQLAlchemy takes `plugin` with any of them, and the functions that
    /// the last two stand for cannot be named by a text.
    static let keywords = allCases.reduce(into: Set<String>()) { $0.formUnion($1.ownKeywords) }
        .union(["plugin", "unix_sock", "async_creator_fn", "prepared_statement_name_func"])

    /// Whether it takes libpq's keywords as they are, since it is made of libpq.
    package var isLibPQ: Bool { self != .pg8000 && self != .asyncpg }

    /// Whether a keyword of a URL is handed on to this driver.
    package func takes(_ keyword: String) -> Bool {
        keyword == "plugin" || ownKeywords.contains(keyword)
    }
}
