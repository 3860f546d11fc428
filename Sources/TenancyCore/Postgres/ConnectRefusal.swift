/// Why no connection came about, read from libpq's message in its verbose form.
///
/// A server that refuses says `FATAL:  28P01: password authentication failed`, its words in the
/// server's language, then where in its own source that was. Without such an answer nobody was there.
struct ConnectRefusal {
    /// The message without codes and places in the server's source.
    let message: String
    /// The last code that a server gave, of several hosts the one tried last; else 08001.
    let sqlState: String

    init(_ text: String) {
        var state = SQLState.cannotConnect
        var lines: [String] = []
        for line in text.split(separator: "; ") where !line.hasPrefix("LOCATION:") {
            guard let (range, code) = ConnectRefusal.code(in: line) else {
                lines.append(String(line))
                continue
            }
            state = code
            lines.append("\(line[..<range.lowerBound])\(line[range.upperBound...])")
        }
        message = lines.joined(separator: "; ")
        sqlState = state
    }

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
