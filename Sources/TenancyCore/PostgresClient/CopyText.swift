/// Rows in the text format of COPY (PostgreSQL manual, COPY, "Text Format").
enum CopyText {
    private static let escaped: [UInt8: UInt8] = [
        UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0C, UInt8(ascii: "n"): 0x0A,
        UInt8(ascii: "r"): 0x0D, UInt8(ascii: "t"): 0x09, UInt8(ascii: "v"): 0x0B,
    ]

    /// The columns of one line as the server sends it, with or without its newline; SQL NULL is
    /// `nil`.
    static func columns(of line: some Sequence<UInt8>) -> [String?] {
        var bytes = Array(line)
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        let columns = bytes.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
        return columns.map { $0.elementsEqual("\\N".utf8) ? nil : text(of: $0) }
    }

    private static func text(of column: ArraySlice<UInt8>) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(column.count)
        var isEscaped = false
        for byte in column {
            if isEscaped {
                bytes.append(escaped[byte] ?? byte)
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
