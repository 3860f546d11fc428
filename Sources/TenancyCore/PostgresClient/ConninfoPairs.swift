/// libpq's `keyword=value` form (PostgreSQL manual, "Keyword/Value Connection Strings"): spaces
/// around `=` are allowed, a value with spaces stands in single quotes, `\` escapes.
struct ConninfoPairs {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func parse() throws(ConnectionStringError) -> [(keyword: String, value: String)] {
        var pairs: [(keyword: String, value: String)] = []
        skipSpaces()
        while offset < bytes.count {
            let keyword = try text(word())
            skipSpaces()
            guard !keyword.isEmpty, take(UInt8(ascii: "=")) else { throw .malformedPairs }
            skipSpaces()
            pairs.append((keyword, try text(try value())))
            skipSpaces()
        }
        return pairs
    }

    private mutating func word() -> [UInt8] {
        let start = offset
        while let byte = peek(), byte != UInt8(ascii: "="), !Self.isSpace(byte) { offset += 1 }
        return Array(bytes[start..<offset])
    }

    private mutating func value() throws(ConnectionStringError) -> [UInt8] {
        let isQuoted = take(UInt8(ascii: "'"))
        var value: [UInt8] = []
        while let byte = peek() {
            offset += 1
            if byte == UInt8(ascii: "\\") {
                if let escaped = peek() { value.append(escaped) }
                offset += 1
            } else if isQuoted ? byte == UInt8(ascii: "'") : Self.isSpace(byte) {
                return value
            } else {
                value.append(byte)
            }
        }
        guard !isQuoted else { throw .malformedPairs }
        return value
    }

    private func text(_ bytes: [UInt8]) throws(ConnectionStringError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notText }
        return text
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        offset += 1
        return true
    }

    private mutating func skipSpaces() {
        while let byte = peek(), Self.isSpace(byte) { offset += 1 }
    }

    private func peek() -> UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D ~= byte) }
}
