import Testing

@testable import PostgresClient

@Suite struct CopyTextTests {
    @Test(
        "a line of COPY's text format",
        arguments: [
            ("", [""]), ("\n", [""]), ("abc\n", ["abc"]), ("a\tb", ["a", "b"]),
            ("\\N\n", [nil]), ("\\N\t\\\\N", [nil, "\\N"]), ("x\\N", ["xN"]),
            ("\\b\\f\\n\\r\\t\\v\\\\", ["\u{8}\u{C}\n\r\t\u{B}\\"]), ("é\t", ["é", ""]),
        ] as [(String, [String?])])
    func columns(line: String, expected: [String?]) {
        #expect(CopyText.columns(of: Array(line.utf8)) == expected)
    }
}
