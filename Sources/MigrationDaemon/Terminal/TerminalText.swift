/// Makes text from outside harmless: names of tenants, messages of servers and of migrations may hold
/// what moves a terminal's cursor, renames its window, or makes a line read as another one.
enum TerminalText {
    /// The text as one line: whatever is no visible character or blank is written as an escape.
    static func line(_ text: String) -> String {
        escaped(text) { scalar in
            switch scalar {
            case "\n": "\\n"
            case "\r": "\\r"
            case "\t": "\\t"
            default: code(scalar)
            }
        }
    }

    /// Rendered JSON with the same meaning: outside of its strings it has no such character, and in
    /// them an escape is the character itself.
    static func json(_ rendered: String) -> String { escaped(rendered, code) }

    /// Whether nothing in the text has to be escaped.
    static func isPlain(_ text: String) -> Bool { !text.unicodeScalars.contains(where: isUnsafe) }

    private static func escaped(_ text: String, _ escape: (Unicode.Scalar) -> String) -> String {
        if isPlain(text) { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if isUnsafe(scalar) {
                result.append(contentsOf: escape(scalar).unicodeScalars)
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }

    /// `\u001b`, as JSON writes it; beyond 16 bits as two of them.
    private static func code(_ scalar: Unicode.Scalar) -> String {
        String(scalar).utf16.map { unit in
            let digits = String(unit, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }.joined()
    }

    private static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        // C0, DEL and C1: escape sequences, and what terminals take for their beginning.
        case 0x00...0x1F, 0x7F...0x9F: true
        // Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX #9).
        case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        // Separators of lines and paragraphs.
        case 0x2028, 0x2029: true
        // A byte order mark, annotations, and tags, none of which is seen.
        case 0xFEFF, 0xFFF9...0xFFFB, 0xE0000...0xE007F: true
        default: false
        }
    }
}
