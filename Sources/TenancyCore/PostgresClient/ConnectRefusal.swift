internal import Support

/// Why no connection came about, and which of three parties refused it: only the network's refusal
/// says anything about the server's health.
package struct ConnectRefusal: Error, Sendable, Equatable {
    /// Who refused.
    package enum Origin: Sendable, Equatable {
        /// libpq: an option that it does not know, a file that it cannot read, a certificate that it
        /// does not trust, a password that it was not given. The same parameters fail the same way.
        case client
        /// The server, with this SQLSTATE: it is there, and rejects this role, password or database,
        /// or says that it is not ready.
        case server(sqlState: String)
        /// Nobody answered: no such host, nobody listens, no answer in time, the connection broke.
        case network
    }

    package let origin: Origin
    /// For people, without codes and places in the server's source; never credentials.
    package let message: String

    package init(_ origin: Origin, _ message: String) {
        self.origin = origin
        self.message = message
    }

    /// Reads libpq's message in its verbose form.
    ///
    /// A server that refuses says `FATAL:  28P01: password authentication failed`, its words in the
    /// server's language, then where in its own source that was. Of several hosts the last one that
    /// said so counts. Without such an answer the refusal is `otherwise`'s.
    init(_ text: String, otherwise origin: Origin) {
        var origin = origin
        var lines: [String] = []
        for line in text.split(separator: "; ") where !line.hasPrefix("LOCATION:") {
            guard let (range, code) = ConnectRefusal.code(in: line) else {
                lines.append(String(line))
                continue
            }
            origin = .server(sqlState: code)
            lines.append("\(line[..<range.lowerBound])\(line[range.upperBound...])")
        }
        self.init(origin, lines.joined(separator: "; "))
    }

    /// The server's code; 08001 where nobody answered, and none where libpq refused.
    package var sqlState: String? {
        switch origin {
        case .client: nil
        case .server(let state): state
        case .network: SQLState.cannotConnect
        }
    }

    /// Whether connecting by the same parameters may succeed later.
    package var isRetryable: Bool { sqlState.map(SQLState.isRetryable) ?? false }

    /// The code in `FATAL:  28P01: ...` and where it stands, with the blanks around it cut to one.
    private static func code(in line: Substring) -> (Range<Substring.Index>, String)? {
        for colon in line.indices where line[colon...].hasPrefix(":  ") {
            let start = line.index(colon, offsetBy: 3)
            let code = line[start...].prefix(5)
            let isCode = code.utf8.count == 5 && code.utf8.allSatisfy(isCodeByte)
            guard isCode, line[code.endIndex...].hasPrefix(": ") else { continue }
            let end = line.index(code.endIndex, offsetBy: 2)
            return (line.index(start, offsetBy: -1)..<end, String(code))
        }
        return nil
    }

    private static func isCodeByte(_ byte: UInt8) -> Bool {
        byte.isASCIIDigit || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }
}
