/// Percent-decoding (RFC 3986, 2.1), done once and strictly.
enum PercentCoding {
    /// Decodes one path segment or query part.
    ///
    /// - Returns: nil if an escape lacks its two digits, or the result holds NUL or is not UTF-8.
    static func decode(_ raw: some Collection<UInt8>, plusIsSpace: Bool = false) -> String? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(raw.count)
        var index = raw.startIndex
        while index != raw.endIndex {
            var byte = raw[index]
            raw.formIndex(after: &index)
            if byte == ASCII.percent {
                guard let high = digit(raw, &index), let low = digit(raw, &index) else {
                    return nil
                }
                byte = high << 4 | low
                if byte == 0 { return nil }
            } else if plusIsSpace, byte == UInt8(ascii: "+") {
                byte = ASCII.space
            }
            decoded.append(byte)
        }
        return String(validating: decoded, as: UTF8.self)
    }

    private static func digit<C: Collection<UInt8>>(_ raw: C, _ index: inout C.Index) -> UInt8? {
        guard index != raw.endIndex, let value = ASCII.hexValue(raw[index]) else { return nil }
        raw.formIndex(after: &index)
        return value
    }
}
