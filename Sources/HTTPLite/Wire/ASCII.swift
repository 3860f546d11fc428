/// Questions about single bytes of the wire, answered by tables.
///
/// Protocol text is bytes: Unicode-aware case folding would let the Kelvin sign pass for a `k`
/// and full-width digits for digits, so none of it may touch a message.
enum ASCII {
    static let tab = UInt8(ascii: "\t")
    static let lf = UInt8(ascii: "\n")
    static let cr = UInt8(ascii: "\r")
    static let space = UInt8(ascii: " ")
    static let percent = UInt8(ascii: "%")
    static let comma = UInt8(ascii: ",")
    static let slash = UInt8(ascii: "/")
    static let colon = UInt8(ascii: ":")
    static let semicolon = UInt8(ascii: ";")
    static let dot = UInt8(ascii: ".")

    /// Whether the byte may stand in a token: a method or a field name (RFC 9110, 5.6.2).
    static func isToken(_ byte: UInt8) -> Bool {
        contains(byte, low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
    }

    /// Whether the byte may stand in a field value: HTAB, SP, VCHAR, obs-text (RFC 9110, 5.5).
    static func isFieldValue(_ byte: UInt8) -> Bool {
        byte >= 0x20 ? byte != 0x7F : byte == tab
    }

    /// Whether the byte may stand in a request target: visible ASCII but `#`.
    ///
    /// Wider than RFC 3986, because browsers leave `|`, `{` or `^` as they are; a fragment or a
    /// byte above 0x7E is read differently by different recipients and refused.
    static func isTarget(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "#")
    }

    /// Whether the byte may stand in a registered name (RFC 3986, 3.2.2); `%` is seen to apart.
    static func isRegisteredName(_ byte: UInt8) -> Bool {
        contains(byte, low: 0x2BFF_7FD2_0000_0000, high: 0x47FF_FFFE_87FF_FFFE)
    }

    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    /// The value of a hexadecimal digit, nil for any other byte.
    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    static func lowercased(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }

    /// Whether two runs of bytes are equal but for the case of ASCII letters.
    static func equal(
        _ left: some Collection<UInt8>, _ right: some Collection<UInt8>
    ) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).allSatisfy { lowercased($0) == lowercased($1) }
    }

    /// Whether the bytes spell `word`, which must be in small letters, in any case.
    static func equal(_ bytes: Span<UInt8>, _ range: Range<Int>, _ word: StaticString) -> Bool {
        guard range.count == word.utf8CodeUnitCount else { return false }
        var pointer = word.utf8Start
        for index in range {
            if lowercased(bytes[index]) != pointer.pointee { return false }
            pointer += 1
        }
        return true
    }

    /// Whether the bytes from `start` on begin with `word`, letter by letter.
    static func hasPrefix(_ bytes: [UInt8], at start: Int, _ word: StaticString) -> Bool {
        guard bytes.count - start >= word.utf8CodeUnitCount else { return false }
        var pointer = word.utf8Start
        for index in start..<(start + word.utf8CodeUnitCount) {
            if bytes[index] != pointer.pointee { return false }
            pointer += 1
        }
        return true
    }

    private static func contains(_ byte: UInt8, low: UInt64, high: UInt64) -> Bool {
        if byte < 64 { return (low >> UInt64(byte)) & 1 == 1 }
        return byte < 128 && (high >> UInt64(byte - 64)) & 1 == 1
    }
}
