internal import Support

/// SQLAlchemy's URL of a database that is not PostgreSQL.
package struct ForeignURL: Sendable, Hashable {
    package let url: Secret
    /// The dialect, and the host where there is one: `sqlite`, `mysql db1:3306`.
    let server: String
    /// A file's or database's name; empty where it is not clear which part of the URL it is.
    let database: String

    /// Takes a URL; `scheme` is what stands before `://`. One that SQLAlchemy or a driver would read
    /// differently than it was meant is refused: their errors quote the part of the password that
    /// they took for a host or a port.
    init(_ url: Secret, scheme: String) throws(ConnectionStringError) {
        self.url = url
        let dialect = String(scheme.prefix { $0 != "+" })
        let rest = url.reveal().dropFirst(scheme.count + 3)
        let authority = rest.prefix { !"/?#".contains($0) }
        let path = rest.dropFirst(authority.count).prefix { !"?#".contains($0) }
        let ats = rest.prefix { $0 != "?" }.count { $0 == "@" }
        guard authority.isEmpty || ats <= 1 else { throw .strayAt }
        // A password that is not escaped may reach beyond the first slash.
        guard !rest.dropFirst(authority.count).contains("@") else {
            (server, database) = (dialect, "")
            return
        }
        // Without an @ what follows a colon may be a password.
        let port = authority.contains("@") ? "" : authority.drop { $0 != ":" }.dropFirst()
        guard authority.hasPrefix("[") || port.utf8.allSatisfy(\.isASCIIDigit) else {
            throw .badPort
        }
        let host = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
        server = host.isEmpty ? dialect : "\(dialect) \(host.lowercased())"
        database = path.split(separator: "/").last.map(String.init) ?? ""
    }

    /// Tells databases apart without saying how to log in.
    var key: String { "\(server)#" + Hex.encode(Digest.sha256(Array(url.reveal().utf8))) }

    /// `text` without the URL and its password.
    func scrubbed(_ text: String) -> String {
        let all = url.reveal()
        let text = text.replacing(all, with: "***")
        let rest = all.drop { $0 != ":" }.dropFirst(3)
        guard let end = rest.lastIndex(of: "@"), let colon = rest[..<end].firstIndex(of: ":")
        else { return text }
        let password = String(rest[rest.index(after: colon)..<end])
        return password.isEmpty ? text : text.replacing(password, with: "***")
    }
}
