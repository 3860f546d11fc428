extension JSONValue {
    /// The value as a JSON text in UTF-8, without a line break at its end: on one line without a
    /// space, or pretty with a member a line and two spaces a level.
    package func rendered(pretty: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = []
        render(into: &bytes, pretty: pretty)
        return bytes
    }

    /// The value as a JSON text.
    package func renderedString(pretty: Bool = false) -> String {
        String(decoding: rendered(pretty: pretty), as: UTF8.self)
    }

    /// Appends the value's text to a buffer, so that many values share one.
    package func render(into bytes: inout [UInt8], pretty: Bool = false) {
        var renderer = JSONRenderer(isPretty: pretty)
        renderer.render(self, into: &bytes)
    }
}

private struct JSONRenderer {
    let isPretty: Bool
    private var depth = 0

    init(isPretty: Bool) {
        self.isPretty = isPretty
    }

    mutating func render(_ value: JSONValue, into bytes: inout [UInt8]) {
        switch value {
        case .null: append("null", to: &bytes)
        case .bool(true): append("true", to: &bytes)
        case .bool(false): append("false", to: &bytes)
        case .number(let number): bytes.append(contentsOf: number.text.utf8)
        case .string(let text): append(quoted: text, to: &bytes)
        case .array(let items): render(items, into: &bytes)
        case .object(let object): render(object, into: &bytes)
        }
    }

    private mutating func render(_ items: [JSONValue], into bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "["))
        depth += 1
        for (index, item) in items.enumerated() {
            separate(index, &bytes)
            render(item, into: &bytes)
        }
        depth -= 1
        if !items.isEmpty { breakLine(&bytes) }
        bytes.append(UInt8(ascii: "]"))
    }

    private mutating func render(_ object: JSONObject, into bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        depth += 1
        for (index, member) in object.members.enumerated() {
            separate(index, &bytes)
            append(quoted: member.key, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            if isPretty { bytes.append(UInt8(ascii: " ")) }
            render(member.value, into: &bytes)
        }
        depth -= 1
        if !object.isEmpty { breakLine(&bytes) }
        bytes.append(UInt8(ascii: "}"))
    }

    private func separate(_ index: Int, _ bytes: inout [UInt8]) {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        breakLine(&bytes)
    }

    private func breakLine(_ bytes: inout [UInt8]) {
        guard isPretty else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * depth))
    }

    private func append(_ text: StaticString, to bytes: inout [UInt8]) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Copies the stretches between escapes whole: most strings have none.
    private func append(quoted text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { buffer in
            var start = 0
            for index in buffer.indices where Self.needsEscape(buffer[index]) {
                bytes.append(contentsOf: buffer[start..<index])
                Self.escape(buffer[index], &bytes)
                start = index + 1
            }
            bytes.append(contentsOf: buffer[start...])
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// RFC 8259 section 7: quotation mark, reverse solidus and U+0000 through U+001F.
    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private static func escape(_ byte: UInt8, _ bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        case 0x08: bytes.append(UInt8(ascii: "b"))
        case 0x09: bytes.append(UInt8(ascii: "t"))
        case 0x0A: bytes.append(UInt8(ascii: "n"))
        case 0x0C: bytes.append(UInt8(ascii: "f"))
        case 0x0D: bytes.append(UInt8(ascii: "r"))
        default:
            bytes.append(contentsOf: "u00".utf8)
            bytes.append(UInt8(ascii: byte < 0x10 ? "0" : "1"))
            let low = byte & 0x0F
            bytes.append(low < 10 ? UInt8(ascii: "0") + low : UInt8(ascii: "a") + low - 10)
        }
    }
}
