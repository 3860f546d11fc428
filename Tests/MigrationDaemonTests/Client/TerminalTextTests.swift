import Support
import Testing

@testable import MigrationDaemon

@Suite struct TerminalTextTests {
    static let lines: [(String, String)] = [
        ("plain, ünïcödé, 日本, 👩\u{200D}💻", "plain, ünïcödé, 日本, 👩\u{200D}💻"),
        ("", ""),
        // Colours, a window's title, the screen's end.
        ("\u{1B}[31mred", "\\u001b[31mred"), ("\u{1B}]0;title\u{07}", "\\u001b]0;title\\u0007"),
        ("\u{9B}2J", "\\u009b2J"), ("a\u{7F}b\u{85}c", "a\\u007fb\\u0085c"),
        // What makes a line look like another one.
        ("acme\nj upgrade head succeeded", "acme\\nj upgrade head succeeded"),
        ("acme\rbeta", "acme\\rbeta"), ("a\r\nb", "a\\r\\nb"), ("a\tb", "a\\tb"),
        ("a\u{08}\u{08}b", "a\\u0008\\u0008b"), ("a\u{2028}b\u{2029}c", "a\\u2028b\\u2029c"),
        // What turns the order of characters.
        ("user\u{202E}nimda", "user\\u202enimda"), ("\u{2066}x\u{2069}", "\\u2066x\\u2069"),
        ("\u{200F}a\u{061C}", "\\u200fa\\u061c"),
        // What is not seen.
        ("\u{FEFF}a\u{E0041}", "\\ufeffa\\udb40\\udc41"), ("a\u{0}b", "a\\u0000b"),
    ]

    @Test("a line is one line, and holds nothing that a terminal acts on", arguments: lines)
    func line(text: String, expected: String) {
        #expect(TerminalText.line(text) == expected)
        #expect(TerminalText.isPlain(expected))
        #expect(TerminalText.isPlain(text) == (text == expected))
    }

    @Test("JSON keeps its meaning", arguments: lines.map(\.0))
    func json(text: String) throws {
        let value: JSONValue = ["key \(text)": [.string(text)]]
        let rendered = TerminalText.json(value.renderedString())
        #expect(TerminalText.isPlain(rendered))
        #expect(try JSONValue.parse(Array(rendered.utf8)) == value)
    }
}
