/// Why a text does not say how to reach a PostgreSQL database. No case carries a part of the text
/// that could belong to a password.
public enum ConnectionStringError: Error, Sendable, Equatable {
    /// Neither `scheme://...` nor `keyword=value ...`.
    case notAConnectionString
    /// A URL of another database, such as `mysql` or `sqlite+aiosqlite`.
    case notPostgres(scheme: String)
    /// The escapes stand for bytes that are not UTF-8, or for U+0000.
    case notText
    /// An `@` in the host, the database or a keyword: it belongs to the password or the user.
    case strayAt
    /// A port that is no number from 1 to 65535.
    case badPort
    /// Several hosts with another number of ports.
    case hostsAndPortsDiffer(hosts: Int, ports: Int)
    /// A keyword that libpq does not have. Its name is nil where it could be part of a password.
    case unknownKeyword(String?)
    /// A value that a keyword cannot have.
    case badValue(keyword: String, expected: String)
    /// A quote that is not closed, or a word without `=`, in `keyword=value` form.
    case malformedPairs
}

extension ConnectionStringError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notAConnectionString:
            "is not a connection string: write postgresql://user:password@host:5432/database"
        case .notPostgres(let scheme):
            "names a \(scheme) database; it must be postgresql here"
        case .notText:
            "has percent escapes that are not UTF-8 text"
        case .strayAt:
            "has an @ where none can stand"
                + " (write @ : / ? # in a user or password as %40 %3A %2F %3F %23)"
        case .badPort:
            "has a port that is not a number from 1 to 65535"
                + " (write : / ? # in a user or password as %3A %2F %3F %23)"
        case .hostsAndPortsDiffer(let hosts, let ports):
            "names \(hosts) hosts but \(ports) ports"
        case .unknownKeyword(let name?):
            "has the keyword \"\(name)\", which libpq does not know"
                + Nearness.suffix(for: name, among: ConnectionKeyword.known)
        case .unknownKeyword(nil):
            "has a keyword that libpq does not know"
        case .badValue(let keyword, let expected):
            "has a value for \(keyword) that is not \(expected)"
        case .malformedPairs:
            "is not a list of keyword=value pairs: quote values with spaces as 'two words'"
        }
    }
}

/// Reads the ways of writing where a database is.
public enum ConnectionString {
    /// Reads a URL as SQLAlchemy or libpq take it
    /// (`postgresql+asyncpg://user:p%40ss@host/db?ssl=require`), or libpq's `keyword=value` form.
    public static func parse(
        _ secret: Secret
    ) throws(ConnectionStringError) -> ConnectionParameters {
        let bytes = Array(secret.reveal().utf8)
        guard !bytes.contains(0) else { throw .notText }
        if let scheme = scheme(of: bytes) {
            let dialect = scheme.prefix { $0 != "+" }
            guard dialect == "postgresql" || dialect == "postgres" else {
                throw .notPostgres(scheme: scheme)
            }
            var url = ConnectionURL(bytes.dropFirst(scheme.utf8.count + 3))
            let query = bytes.drop { $0 != UInt8(ascii: "?") }
            return try makeParameters(
                try url.parse(), driver: scheme,
                hasPassword: String(decoding: query, as: UTF8.self).contains("password="))
        }
        guard bytes.contains(UInt8(ascii: "=")) else { throw .notAConnectionString }
        var pairs = ConninfoPairs(bytes)
        return try makeParameters(try pairs.parse())
    }

    /// The same, and the URL of any other database that SQLAlchemy may know.
    static func parseAny(_ secret: Secret) throws(ConnectionStringError) -> ConnectionParameters {
        do throws(ConnectionStringError) {
            return try parse(secret)
        } catch .notPostgres(let scheme) {
            return ConnectionParameters(foreign: try ForeignURL(secret, scheme: scheme))
        }
    }

    /// What stands before `://`, in lower case (RFC 3986 section 3.1); nil for another text.
    private static func scheme(of bytes: [UInt8]) -> String? {
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            bytes[colon...].starts(with: "://".utf8),
            bytes[0].isASCIILetter,
            bytes[..<colon].allSatisfy({
                $0.isASCIILetter || $0.isASCIIDigit || "+-._".utf8.contains($0)
            })
        else { return nil }
        return String(decoding: bytes[..<colon], as: UTF8.self).lowercased()
    }

    private static func makeParameters(
        _ pairs: [(keyword: String, value: String)], driver: String? = nil,
        hasPassword: Bool = false
    ) throws(ConnectionStringError) -> ConnectionParameters {
        var values: [String: String] = [:]
        var ignored: [String] = []
        // A keyword may be a part of a password that has a `?`, its @ then follows, or of one in the
        // query that has a `&`.
        var followsSecret = hasPassword
        let mayBeSecret = pairs.contains { pair in
            !ConnectionKeyword.known.contains(pair.keyword)
                && (pair.keyword + pair.value).contains("@")
        }
        for (keyword, value) in pairs {
            if keyword == "ssl" || keyword == "sslmode" {
                values["sslmode"] = try sslMode(keyword, value)
            } else if ConnectionKeyword.known.contains(keyword) {
                values[keyword] = value
            } else if ConnectionKeyword.driversOwn.contains(keyword) {
                ignored.append(keyword)
            } else {
                throw .unknownKeyword(
                    followsSecret || mayBeSecret ? nil : shown(keyword))
            }
            followsSecret = followsSecret || ConnectionKeyword.isSecret(keyword)
        }
        for keyword in ["host", "dbname", "user"] where values[keyword]?.contains("://") == true {
            // libpq would take it as it stands, and say so in its errors, password and all.
            throw .badValue(keyword: keyword, expected: "a plain name")
        }
        try checkPorts(values)
        return ConnectionParameters(values, ignoredKeywords: ignored, driver: driver)
    }

    /// asyncpg's `ssl` has the values of libpq's `sslmode`; `ssl=true` is JDBC's way of writing
    /// `require`, and libpq takes it for that, too.
    private static func sslMode(
        _ keyword: String, _ value: String
    ) throws(ConnectionStringError) -> String {
        if keyword == "ssl", value == "true" { return "require" }
        if ConnectionKeyword.sslModes.contains(value) { return value }
        let modes = ConnectionKeyword.sslModes.joined(separator: ", ")
        throw .badValue(keyword: keyword, expected: "one of \(modes)")
    }

    private static func checkPorts(_ values: [String: String]) throws(ConnectionStringError) {
        guard let port = values["port"], !port.isEmpty else { return }
        let ports = port.split(separator: ",", omittingEmptySubsequences: false)
        for port in ports where !port.isEmpty {
            guard port.utf8.allSatisfy(\.isASCIIDigit), let number = Int(port),
                (1...65_535).contains(number)
            else { throw .badPort }
        }
        let list = values["host"] ?? values["hostaddr"] ?? ""
        let hosts = list.split(separator: ",", omittingEmptySubsequences: false).count
        // libpq: one port serves all hosts, else there must be as many.
        guard ports.count == 1 || ports.count == hosts else {
            throw .hostsAndPortsDiffer(hosts: hosts, ports: ports.count)
        }
    }

    private static func shown(_ keyword: String) -> String? {
        let isWord = keyword.utf8.allSatisfy { $0.isASCIILetter || $0 == UInt8(ascii: "_") }
        return isWord && (1...40).contains(keyword.utf8.count) ? keyword : nil
    }
}
