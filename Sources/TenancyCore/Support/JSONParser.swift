/// Why a text is not JSON, and where.
package struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Bytes before the place where the text stops being JSON.
    package let offset: Int
    /// What is wrong there. It repeats nothing of the text but a member's name.
    package let message: String

    package var description: String { "\(message) at byte \(offset)" }
}

extension JSONValue {
    /// Reads a JSON text strictly (RFC 8259): UTF-8 is checked, nothing may follow the value, and
    /// an object with a name twice is refused, since readers disagree on which one counts.
    /// A byte order mark is refused, too. Arrays and objects nest at most `maxDepth` levels, so
    /// that a hostile text cannot exhaust the stack.
    package static func parse(_ bytes: [UInt8], maxDepth: Int = 64) throws(JSONError) -> JSONValue {
        var parser = JSONParser(bytes: bytes, maxDepth: maxDepth)
        return try parser.document()
    }
}

/// A recursive descent over the bytes; the depth of the recursion is bounded by `maxDepth`.
private struct JSONParser {
    private let bytes: [UInt8]
    private let maxDepth: Int
    private var offset = 0

    init(bytes: [UInt8], maxDepth: Int) {
        self.bytes = bytes
        self.maxDepth = maxDepth
    }

    mutating func document() throws(JSONError) -> JSONValue {
        let value = try value(depth: 0)
        skipWhitespace()
        guard offset == bytes.count else { throw failure("unexpected text after the value") }
        return value
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        skipWhitespace()
        guard let byte = peek() else { throw failure("the text ends where a value must stand") }
        switch byte {
        case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        default: throw failure("expected a value")
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
        try enter(depth)
        var object = JSONObject()
        if take(UInt8(ascii: "}")) { return object }
        repeat {
            skipWhitespace()
            let start = offset
            guard peek() == UInt8(ascii: "\"") else { throw failure("expected a member's name") }
            let key = try string()
            if object.contains(key) {
                let name = scrub(key, limit: 64)
                throw JSONError(offset: start, message: "the member \"\(name)\" stands twice")
            }
            guard take(UInt8(ascii: ":")) else { throw failure("expected ':'") }
            object.append(key, try value(depth: depth))
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw failure("expected ',' or '}'") }
        return object
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
        try enter(depth)
        var items: [JSONValue] = []
        if take(UInt8(ascii: "]")) { return items }
        repeat {
            items.append(try value(depth: depth))
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw failure("expected ',' or ']'") }
        return items
    }

    private mutating func enter(_ depth: Int) throws(JSONError) {
        guard depth <= maxDepth else {
            throw failure("arrays and objects nest deeper than \(maxDepth) levels")
        }
        offset += 1
    }

    private mutating func literal(
        _ text: StaticString, _ value: JSONValue
    ) throws(JSONError) -> JSONValue {
        for index in 0..<text.utf8CodeUnitCount {
            guard peek() == text.utf8Start[index] else { throw failure("expected \(text)") }
            offset += 1
        }
        return value
    }

    /// RFC 8259 section 6: `[ minus ] int [ frac ] [ exp ]`.
    private mutating func number() throws(JSONError) -> JSONNumber {
        let start = offset
        if peek() == UInt8(ascii: "-") { offset += 1 }
        if peek() == UInt8(ascii: "0") {
            offset += 1
            if isDigit(peek()) { throw failure("a number must not begin with a zero") }
        } else {
            try digits()
        }
        if peek() == UInt8(ascii: ".") {
            offset += 1
            try digits()
        }
        if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
            offset += 1
            if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { offset += 1 }
            try digits()
        }
        return JSONNumber(checked: String(decoding: bytes[start..<offset], as: UTF8.self))
    }

    private mutating func digits() throws(JSONError) {
        guard isDigit(peek()) else { throw failure("expected a digit") }
        while isDigit(peek()) { offset += 1 }
    }

    private func isDigit(_ byte: UInt8?) -> Bool { byte?.isASCIIDigit ?? false }

    private mutating func string() throws(JSONError) -> String {
        offset += 1
        var text = ""
        var start = offset
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\""):
                text += try decoded(start..<offset)
                offset += 1
                return text
            case UInt8(ascii: "\\"):
                text += try decoded(start..<offset)
                text.unicodeScalars.append(try escape())
                start = offset
            case 0..<0x20:
                throw failure("a control character in a string must be escaped")
            default:
                offset += 1
            }
        }
        throw failure("the text ends inside a string")
    }

    private func decoded(_ range: Range<Int>) throws(JSONError) -> String {
        if let text = String(validating: bytes[range], as: UTF8.self) { return text }
        throw JSONError(
            offset: range.lowerBound + validUTF8Count(bytes[range]),
            message: "the text is not valid UTF-8")
    }

    private mutating func escape() throws(JSONError) -> Unicode.Scalar {
        offset += 1
        let scalar: Unicode.Scalar
        switch peek() {
        case UInt8(ascii: "\""): scalar = "\""
        case UInt8(ascii: "\\"): scalar = "\\"
        case UInt8(ascii: "/"): scalar = "/"
        case UInt8(ascii: "b"): scalar = "\u{8}"
        case UInt8(ascii: "f"): scalar = "\u{c}"
        case UInt8(ascii: "n"): scalar = "\n"
        case UInt8(ascii: "r"): scalar = "\r"
        case UInt8(ascii: "t"): scalar = "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw failure("unknown escape in a string")
        }
        offset += 1
        return scalar
    }

    /// RFC 8259 section 7: a character beyond U+FFFF is written as a UTF-16 surrogate pair. Half
    /// a pair stands for no character (section 8.2) and is refused.
    private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let start = offset - 1
        let first = try codeUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        let lone = JSONError(offset: start, message: "half a surrogate pair in a string")
        guard first < 0xDC00, peek() == UInt8(ascii: "\\") else { throw lone }
        offset += 1
        guard peek() == UInt8(ascii: "u") else { throw lone }
        let second = UInt32(try codeUnit())
        guard
            (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(
                0x10000 + ((UInt32(first) - 0xD800) << 10) + second - 0xDC00)
        else { throw lone }
        return scalar
    }

    /// The four digits after `\u`.
    private mutating func codeUnit() throws(JSONError) -> UInt16 {
        offset += 1
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue
            else { throw failure("expected four hexadecimal digits") }
            unit = unit << 4 | UInt16(digit)
            offset += 1
        }
        return unit
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipWhitespace()
        guard peek() == byte else { return false }
        offset += 1
        return true
    }

    private mutating func skipWhitespace() {
        while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            offset += 1
        }
    }

    private func peek() -> UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private func failure(_ message: String) -> JSONError {
        JSONError(offset: offset, message: message)
    }
}

/// How many of the first bytes are whole, valid UTF-8.
private func validUTF8Count(_ bytes: ArraySlice<UInt8>) -> Int {
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var count = 0
    while case .scalarValue(let scalar) = decoder.decode(&iterator) {
        count += UTF8.width(scalar)
    }
    return count
}
