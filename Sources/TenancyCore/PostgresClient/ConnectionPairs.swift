internal import Support

/// Makes connection parameters of the keywords and values of a connection string.
struct ConnectionPairs {
    let libPQ: LibPQ
    /// Whether what follows may be a part of a password that has a `?`, its @ then follows, or of
    /// one in the query that has a `&`.
    var followsSecret = false
    private var values: [String: String] = [:]
    private var driverValues: [String: Secret] = [:]

    init(libPQ: LibPQ, followsSecret: Bool = false) {
        self.libPQ = libPQ
        self.followsSecret = followsSecret
    }

    mutating func parameters(
        _ pairs: [(keyword: String, value: String)], driver: String? = nil
    ) throws(ConnectionStringError) -> ConnectionParameters {
        let mayBeSecret = pairs.contains { pair in
            meaning(of: pair.keyword) != .libPQ && (pair.keyword + pair.value).contains("@")
        }
        for (keyword, value) in pairs {
            try add(keyword, value, isNameable: !followsSecret && !mayBeSecret)
            followsSecret = followsSecret || ConnectionKeyword.isSecret(keyword)
        }
        for keyword in ["host", "dbname", "user"] where values[keyword]?.contains("://") == true {
            // libpq would take it as it stands, and say so in its errors, password and all.
            throw .badValue(keyword: keyword, expected: "a plain name")
        }
        try checkPorts()
        return ConnectionParameters(values, driverValues: driverValues, driver: driver)
    }

    private func meaning(of keyword: String) -> ConnectionKeyword.Meaning {
        ConnectionKeyword.meaning(of: ConnectionKeyword.canonical(keyword), in: libPQ)
    }

    private mutating func add(
        _ keyword: String, _ value: String, isNameable: Bool
    ) throws(ConnectionStringError) {
        switch meaning(of: keyword) {
        case .libPQ:
            let canonical = ConnectionKeyword.canonical(keyword)
            values[canonical] = canonical == "sslmode" ? try sslMode(keyword, value) : value
        case .driver where keyword == "unix_sock": try addSocket(value)
        case .driver: driverValues[keyword] = Secret(value)
        case .needs(let major): throw .newerKeyword(keyword, major: major, libPQ: libPQ)
        case .leftOut: throw .keywordLeftOut(keyword, libPQ: libPQ)
        case .session: throw .sessionKeyword(keyword)
        case .unknown:
            throw .unknownKeyword(isNameable ? Self.shown(keyword) : nil, libPQ: libPQ)
        }
    }

    /// pg8000 names a socket's file, libpq the folder and the port that the file's name ends with.
    private mutating func addSocket(_ path: String) throws(ConnectionStringError) {
        let parts = path.split(separator: "/.s.PGSQL.", omittingEmptySubsequences: false)
        guard parts.count == 2, path.hasPrefix("/"), !parts[0].isEmpty else {
            throw .badValue(
                keyword: "unix_sock",
                expected: "a socket's path, as in /run/postgresql/.s.PGSQL.5432")
        }
        (values["host"], values["port"]) = (String(parts[0]), String(parts[1]))
    }

    /// asyncpg's `ssl` has the values of libpq's `sslmode`; `ssl=true` is JDBC's way of writing
    /// `require`, and libpq takes it for that, too.
    private func sslMode(
        _ keyword: String, _ value: String
    ) throws(ConnectionStringError) -> String {
        if keyword == "ssl", value == "true" { return "require" }
        if ConnectionKeyword.sslModes.contains(value) { return value }
        let modes = ConnectionKeyword.sslModes.joined(separator: ", ")
        throw .badValue(keyword: keyword, expected: "one of \(modes)")
    }

    private func checkPorts() throws(ConnectionStringError) {
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
