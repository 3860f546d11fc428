/// Takes passwords out of a text that comes from outside: a worker's words, a traceback, a message
/// of PostgreSQL or of libpq.
///
/// `scheme://user:password@` becomes `scheme://user:***@`, and the value of `password=...`,
/// `"password": ...` or `PASSWORD '...'` becomes `***`. Where a password is not escaped nobody can
/// tell where it ends: then rather too much goes than too little.
package func scrub(_ text: String) -> String {
    let bytes = Array(text.utf8)
    let withoutLogins = URLLogins.hidden(bytes)
    let clean = PasswordValues.hidden(withoutLogins)
    return clean == bytes ? text : String(decoding: clean, as: UTF8.self)
}

/// The beginning of a text from outside, without its passwords. A URL that is cut first may no longer
/// look like one.
package func scrub(_ text: some StringProtocol, limit: Int) -> String {
    String(scrub(String(text)).prefix(limit))
}

private let mask = Array("***".utf8)

/// `scheme://user:password@host`.
private enum URLLogins {
    private static let separator = Array("://".utf8)

    static func hidden(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index...].starts(with: separator), index > 0, isScheme(bytes[index - 1])
            else {
                result.append(bytes[index])
                index += 1
                continue
            }
            let start = index + separator.count
            if let password = password(bytes, from: start) {
                result += bytes[index..<password.lowerBound] + mask
                index = password.upperBound
            } else {
                result += separator
                index = start
            }
        }
        return result
    }

    /// Where the password of the URL lies whose `://` ends at `start`.
    private static func password(_ bytes: [UInt8], from start: Int) -> Range<Int>? {
        let end = bytes[start...].firstIndex { isEnd($0) } ?? bytes.count
        // A host in brackets; a user cannot begin so.
        guard start < end, bytes[start] != UInt8(ascii: "["),
            let colon = bytes[start..<end].firstIndex(where: { ":/?#@".utf8.contains($0) }),
            bytes[colon] == UInt8(ascii: ":")
        else { return nil }
        // The last one: a password may hold others.
        if let at = bytes[colon..<end].lastIndex(of: UInt8(ascii: "@")) { return colon + 1..<at }
        if isPort(bytes[(colon + 1)..<end]) { return nil }
        // It holds a space or a quote, or the text was cut off in the middle of it.
        let line = bytes[colon...].firstIndex { $0 == UInt8(ascii: "\n") } ?? bytes.count
        let at = bytes[colon..<line].lastIndex(of: UInt8(ascii: "@"))
        return colon + 1..<(at ?? end)
    }

    private static func isScheme(_ byte: UInt8) -> Bool {
        byte.isASCIILetter || byte.isASCIIDigit || "+-.".utf8.contains(byte)
    }

    private static func isEnd(_ byte: UInt8) -> Bool {
        isSpace(byte) || "\"'<>`".utf8.contains(byte)
    }

    /// `5432`, `5432/shop`, `5432,db2:5432`; also nothing, as in `http://*:`.
    private static func isPort(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let next = bytes.first(where: { !$0.isASCIIDigit }) else { return true }
        return "/?#,;:.)]}\\".utf8.contains(next)
    }
}

/// `password=...` and its like: libpq's keywords, a URL's query, JSON, Python, SQL.
private enum PasswordValues {
    private static let words = ["password", "passwd", "pwd"].map { Array($0.utf8) }

    static func hidden(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var copied = 0
        var index = 0
        while index < bytes.count {
            guard let word = words.first(where: { isWord($0, bytes, at: index) }) else {
                index += 1
                continue
            }
            index += word.count
            guard let value = value(bytes, after: index) else { continue }
            result += bytes[copied..<value.lowerBound] + mask
            copied = value.upperBound
            index = value.upperBound
        }
        return result + bytes[copied...]
    }

    private static func isWord(_ word: [UInt8], _ bytes: [UInt8], at index: Int) -> Bool {
        bytes.count - index >= word.count
            && zip(word, bytes[index...]).allSatisfy { $0 == $1 | 0x20 }
    }

    private static func value(_ bytes: [UInt8], after word: Int) -> Range<Int>? {
        var index = word
        func skipSpaces() {
            while index < bytes.count, bytes[index] == UInt8(ascii: " ") { index += 1 }
        }
        let isQuotedKey = index < bytes.count && isQuote(bytes[index])
        if isQuotedKey { index += 1 }
        skipSpaces()
        guard index < bytes.count else { return nil }
        if bytes[index] == UInt8(ascii: "=") || bytes[index] == UInt8(ascii: ":") {
            index += 1
            skipSpaces()
        } else if isQuotedKey || index == word || bytes[index] != UInt8(ascii: "'") {
            return nil
        }
        guard index < bytes.count, !isSpace(bytes[index]) else { return nil }
        if isQuote(bytes[index]) { return quoted(bytes, from: index) }
        let end = bytes[index...].firstIndex(where: isSpace) ?? bytes.count
        return index..<end
    }

    /// What lies between a quote and the one that closes it; `\` escapes, and so does doubling.
    private static func quoted(_ bytes: [UInt8], from start: Int) -> Range<Int> {
        var index = start + 1
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\\") {
                index += 2
            } else if bytes[index] != bytes[start] {
                index += 1
            } else if index + 1 < bytes.count, bytes[index + 1] == bytes[start] {
                index += 2
            } else {
                break
            }
        }
        return start + 1..<min(index, bytes.count)
    }

    private static func isQuote(_ byte: UInt8) -> Bool { "\"'".utf8.contains(byte) }
}

private func isSpace(_ byte: UInt8) -> Bool { byte <= UInt8(ascii: " ") }
