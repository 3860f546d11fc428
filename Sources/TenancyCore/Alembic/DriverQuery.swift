internal import PostgresClient
internal import Support

/// What a connection says beside user and database, in the words that SQLAlchemy and a driver take
/// in a URL's query.
///
/// What only tunes a driver is left out for another one. What says where the database is, who may
/// be believed or how the session begins is never left out: it is translated, or missing.
struct DriverQuery {
    private let driver: PythonDriver
    private(set) var values: [String: String]
    /// What the driver has no word for.
    private(set) var missing: [String] = []

    /// Takes libpq's keywords, and those of some driver in `own`.
    init(_ values: [String: String], own: [String: String], for driver: PythonDriver) {
        self.driver = driver
        self.values = values
        for (word, value) in own.sorted(by: { $0.key < $1.key }) { add(word, value) }
        if !driver.isLibPQ { translate() }
    }

    // MARK: - From the words of drivers

    private mutating func add(_ word: String, _ value: String) {
        if driver.takes(word) {
            values[word] = value
            return
        }
        switch word {
        case "timeout":
            // libpq counts in whole seconds, and without end from 0 on down.
            if let seconds = Double(value), seconds > 0, seconds < 1e9 {
                values["connect_timeout"] =
                    values["connect_timeout"] ?? "\(Int(seconds.rounded(.up)))"
            }
        case "direct_tls" where Self.isOn(value):
            values["sslnegotiation"] = values["sslnegotiation"] ?? "direct"
        case "ssl_context" where Self.isOn(value):
            values["sslmode"] = values["sslmode"] ?? "require"
        case "server_settings", "startup_params": addSettings(word, value)
        case "statement_cache_size" where value == "0",
            "prepared_statement_cache_size" where value == "0":
            if driver.takes("prepare_threshold") { values["prepare_threshold"] = "none" }
        case "prepare_threshold" where value.lowercased() == "none" && driver == .asyncpg:
            values["statement_cache_size"] = "0"
            values["prepared_statement_cache_size"] = "0"
        default: break
        }
    }

    private static func isOn(_ value: String) -> Bool {
        ["true", "on", "yes", "1"].contains(value.lowercased())
    }

    /// Parameters of the session, which libpq takes as the server's command line (PostgreSQL
    /// manual, `options`).
    private mutating func addSettings(_ word: String, _ json: String) {
        switch driver {
        case .asyncpg: values["server_settings"] = json
        case .pg8000: values["startup_params"] = json
        default:
            guard let settings = (try? JSONValue.parse(Array(json.utf8)))?.objectValue else {
                missing.append(word)
                return
            }
            let given = values["options"].map { [$0] } ?? []
            let added = settings.members.map { member in
                let text = member.value.stringValue ?? member.value.renderedString()
                return member.key == "options"
                    ? text : "-c \(Self.escaped(member.key))=\(Self.escaped(text))"
            }
            values["options"] = (given + added).joined(separator: " ")
        }
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing(" ", with: "\\ ")
    }

    // MARK: - From libpq's words

    /// What a driver that is not made of libpq takes in libpq's words, or the worker makes of them.
    private var known: Set<String> {
        let both: Set = [
            "host", "port", "application_name", "options", "sslcert", "sslkey", "sslpassword",
            "sslrootcert",
        ]
        guard driver == .asyncpg else { return both.union(["sslmode"]) }
        return both.union([
            "gsslib", "krbsrvname", "passfile", "service", "servicefile", "sslcrl",
            "sslnegotiation", "ssl_max_protocol_version", "ssl_min_protocol_version",
            "target_session_attrs",
        ])
    }

    /// What may be left out, and the values for which that holds; any where none is named.
    private static let tuning: [String: Set<String>] = [
        "channel_binding": ["disable", "prefer"], "fallback_application_name": [],
        "gssdelegation": ["0"], "gssencmode": ["disable", "prefer"], "keepalives": [],
        "keepalives_count": [], "keepalives_idle": [], "keepalives_interval": [],
        "load_balance_hosts": [], "max_protocol_version": [], "min_protocol_version": [],
        "sslcertmode": ["allow", "disable"], "sslcompression": [], "sslkeylogfile": [],
        "sslsni": [], "target_session_attrs": ["any"], "tcp_user_timeout": [],
    ]

    private mutating func translate() {
        let own = values.filter { driver.takes($0.key) }
        var rest = values.filter { !driver.takes($0.key) }
        values = own
        if rest["host"] == nil { rest["host"] = rest.removeValue(forKey: "hostaddr") }
        if let timeout = rest.removeValue(forKey: "connect_timeout") {
            values["timeout"] = values["timeout"] ?? ((Int(timeout) ?? 0) > 0 ? timeout : "none")
        }
        if driver == .pg8000 { translateHost(&rest) }
        if driver == .asyncpg, let mode = rest.removeValue(forKey: "sslmode") {
            values["ssl"] = mode
        }
        for (word, value) in rest.sorted(by: { $0.key < $1.key }) {
            if known.contains(word) {
                values[word] = value
            } else if let harmless = Self.tuning[word] {
                if !harmless.isEmpty, !harmless.contains(value) { missing.append(word) }
            } else {
                missing.append(word)
            }
        }
    }

    /// pg8000 has one host, and names a socket's file.
    private mutating func translateHost(_ rest: inout [String: String]) {
        guard let host = rest["host"] else { return }
        if host.contains(",") {
            missing.append("several hosts")
        } else if host.hasPrefix("/") {
            values["unix_sock"] = "\(host)/.s.PGSQL.\(rest["port"] ?? "5432")"
            rest["host"] = nil
            rest["port"] = nil
        }
    }
}
