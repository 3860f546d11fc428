internal import Support

/// The part of a database URL after `://`, read as SQLAlchemy's `make_url` reads it, and with
/// libpq's lists of hosts.
struct ConnectionURL {
    private let text: ArraySlice<UInt8>
    private var pairs: [(keyword: String, value: String)] = []

    init(_ text: ArraySlice<UInt8>) {
        self.text = text
    }

    /// Keywords and values in the order of the text; a later one replaces an earlier one.
    mutating func parse() throws(ConnectionStringError) -> [(keyword: String, value: String)] {
        let (main, query) = Self.split(text, at: "?")
        var rest = main
        if let userInfo = Self.userInfo(main) {
            let (user, password) = Self.split(userInfo, at: ":")
            try add("user", user)
            if let password { try add("password", password) }
            rest = main[(userInfo.endIndex + 1)...]
        }
        let (hosts, database) = Self.split(rest, at: "/")
        // An @ there belongs to the password or the user, and so does all that stands before it: to
        // continue would show a part of it as a host or a database.
        guard !hosts.contains(UInt8(ascii: "@")), database?.contains(UInt8(ascii: "@")) != true
        else { throw .strayAt }
        try addHosts(Self.pieces(hosts, ","), isEscaped: true)
        if let database { try add("dbname", database) }
        if let query { try addQuery(query) }
        return pairs
    }

    /// What stands before the `@` of the host. A password may hold a `/`, a user may not.
    private static func userInfo(_ main: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        let stop = main.firstIndex { byte in
            byte == UInt8(ascii: ":") || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "@")
        }
        guard let stop, main[stop] != UInt8(ascii: "/"),
            let at = main[stop...].firstIndex(of: UInt8(ascii: "@"))
        else { return nil }
        return main[..<at]
    }

    /// `host`, `host:port` or `[address]:port`, each.
    private mutating func addHosts(
        _ list: [ArraySlice<UInt8>], isEscaped: Bool
    ) throws(ConnectionStringError) {
        var hosts: [String] = []
        var ports: [String] = []
        for item in list {
            guard Self.isHost(item) else { throw .badPort }
            let (host, port) = Self.hostAndPort(item)
            hosts.append(try decode(host, isEscaped: isEscaped))
            ports.append(try decode(port, isEscaped: false))
        }
        if hosts.contains(where: { !$0.isEmpty }) {
            pairs.append(("host", hosts.joined(separator: ",")))
        }
        if ports.contains(where: { !$0.isEmpty }) {
            pairs.append(("port", ports.joined(separator: ",")))
        }
    }

    /// Whether several colons are those of an address: else the text may hold a password whose @ is
    /// missing.
    private static func isHost(_ item: ArraySlice<UInt8>) -> Bool {
        if item.first == UInt8(ascii: "[") || item.first == UInt8(ascii: "/") { return true }
        let colons = item.count { $0 == UInt8(ascii: ":") }
        return colons < 2
            || item.prefix { $0 != UInt8(ascii: "%") }
                .allSatisfy { Hex.value($0) != nil || ":.".utf8.contains($0) }
    }

    private static func hostAndPort(
        _ item: ArraySlice<UInt8>
    ) -> (host: ArraySlice<UInt8>, port: ArraySlice<UInt8>) {
        if item.first == UInt8(ascii: "["), let end = item.firstIndex(of: UInt8(ascii: "]")) {
            return (item[(item.startIndex + 1)..<end], item[(end + 1)...].drop { $0 == 0x3A })
        }
        let colons = item.indices.filter { item[$0] == UInt8(ascii: ":") }
        // A path is a socket's folder, and several colons are an IPv6 address.
        guard colons.count == 1, item.first != UInt8(ascii: "/") else { return (item, []) }
        return (item[..<colons[0]], item[(colons[0] + 1)...])
    }

    private mutating func addQuery(_ query: ArraySlice<UInt8>) throws(ConnectionStringError) {
        var hosts: [ArraySlice<UInt8>] = []
        for item in Self.pieces(query, "&") {
            let (name, value) = Self.split(item, at: "=")
            // As above, behind a `?` of the password.
            guard value != nil || !name.contains(UInt8(ascii: "@")) else { throw .strayAt }
            guard let value, !value.isEmpty else { continue }
            let keyword = try decode(name, isEscaped: true, plusIsSpace: true)
            let text = try decode(value, isEscaped: true, plusIsSpace: true)
            if keyword == "host" {
                // Several of them make a list: `host=a:1&host=b:2`.
                hosts += Self.pieces(Array(text.utf8)[...], ",")
            } else {
                pairs.append((keyword, text))
            }
        }
        if !hosts.isEmpty { try addHosts(hosts, isEscaped: false) }
    }

    private mutating func add(
        _ keyword: String, _ value: ArraySlice<UInt8>
    ) throws(ConnectionStringError) {
        pairs.append((keyword, try decode(value, isEscaped: true)))
    }

    private func decode(
        _ bytes: ArraySlice<UInt8>, isEscaped: Bool, plusIsSpace: Bool = false
    ) throws(ConnectionStringError) -> String {
        let text =
            isEscaped
            ? PercentEncoding.decode(bytes, plusIsSpace: plusIsSpace)
            : String(validating: bytes, as: UTF8.self)
        guard let text, !text.utf8.contains(0) else { throw .notText }
        return text
    }

    /// What stands before and after the first mark; nil after it without a mark.
    private static func split(
        _ bytes: ArraySlice<UInt8>, at mark: Unicode.Scalar
    ) -> (ArraySlice<UInt8>, ArraySlice<UInt8>?) {
        guard let index = bytes.firstIndex(of: UInt8(ascii: mark)) else { return (bytes, nil) }
        return (bytes[..<index], bytes[(index + 1)...])
    }

    private static func pieces(
        _ bytes: ArraySlice<UInt8>, _ mark: Unicode.Scalar
    ) -> [ArraySlice<UInt8>] {
        bytes.split(separator: UInt8(ascii: mark), omittingEmptySubsequences: false)
    }
}
