/// Random UUIDs as text (RFC 9562, section 5.4).
enum UUIDText {
    static func random() -> String {
        var random = SystemRandomNumberGenerator()
        var bytes: [UInt8] = (0..<16).map { _ in random.next() }
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return text
    }
}
