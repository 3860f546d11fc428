/// The server of an `http` or `https` URL without a path (RFC 9110, 4.3.1).
public struct HTTPOrigin: Sendable, Equatable {
    /// Whether TLS is spoken.
    public let isSecure: Bool
    /// A name or an address; an IPv6 address without its brackets.
    public let host: String
    /// 1 to 65535; 80 or 443 where the URL says none.
    public let port: UInt16
    /// Host and port as the URL has them.
    public let authority: String
    /// `user:password` of the URL, decoded; nil where it has none.
    public let userInfo: String?

    /// Reads `http://[user:password@]HOST[:PORT][/]`.
    ///
    /// - Returns: nil for any other text, one with a path or a query among them.
    public init?(_ text: String) {
        var rest = Array(text.utf8)[...]
        let schemes: [(prefix: String, isSecure: Bool)] = [("http://", false), ("https://", true)]
        guard
            let scheme = schemes.first(where: {
                ASCII.equal(rest.prefix($0.prefix.utf8.count), $0.prefix.utf8)
            })
        else { return nil }
        isSecure = scheme.isSecure
        rest = rest.dropFirst(scheme.prefix.utf8.count)
        if rest.last == ASCII.slash { rest = rest.dropLast() }
        if let at = rest.lastIndex(of: UInt8(ascii: "@")) {
            guard let decoded = PercentCoding.decode(rest[..<at]) else { return nil }
            userInfo = decoded
            rest = rest[rest.index(after: at)...]
        } else {
            userInfo = nil
        }
        guard let (host, port) = Self.hostAndPort(rest) else { return nil }
        guard HostSyntax.isValid(rest) else { return nil }
        self.host = host
        self.port = port ?? (scheme.isSecure ? 443 : 80)
        authority = String(decoding: rest, as: UTF8.self)
    }

    private static func hostAndPort(_ authority: ArraySlice<UInt8>) -> (String, UInt16?)? {
        var host = authority
        var port: UInt16?
        let isLiteral = authority.first == UInt8(ascii: "[")
        let end = isLiteral ? authority.firstIndex(of: UInt8(ascii: "]")) : nil
        if let colon = authority.lastIndex(of: ASCII.colon), end.map({ $0 < colon }) ?? true {
            host = authority[..<colon]
            let digits = authority[authority.index(after: colon)...]
            guard let number = UInt16(String(decoding: digits, as: UTF8.self)), number > 0 else {
                return nil
            }
            port = number
        }
        if isLiteral {
            guard host.count > 2, host.last == UInt8(ascii: "]") else { return nil }
            host = host.dropFirst().dropLast()
        }
        return host.isEmpty ? nil : (String(decoding: host, as: UTF8.self), port)
    }
}
