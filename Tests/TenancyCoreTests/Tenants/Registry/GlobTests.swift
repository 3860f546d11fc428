import Testing

@testable import Tenants

@Suite struct GlobTests {
    @Test(
        "a pattern matches whole texts",
        arguments: [
            ("acme", "acme", true), ("acme", "acme2", false), ("acme", "Acme", false),
            ("acme-*", "acme-1", true), ("acme-*", "acme-", true), ("acme-*", "acme", false),
            ("*", "", true), ("*", "anything", true), ("?", "", false), ("?", "é", true),
            ("a?c", "abc", true), ("a?c", "ac", false), ("*-eu", "acme-eu", true),
            ("*-eu", "acme-eu-eu", true), ("a*b*c", "aXbYbZc", true), ("a*b*c", "aXcYb", false),
            ("**a**", "bab", true), (#"\*"#, "*", true), (#"\*"#, "a", false),
            (#"a\?"#, "a?", true), (#"\\"#, #"\"#, true), (#"\["#, "[", true),
            ("100%_x", "100%_x", true), ("100%_x", "100abx", false),
        ])
    func matches(pattern: String, text: String, expected: Bool) throws {
        #expect(try Glob(pattern).matches(text) == expected)
    }

    @Test(
        "the same pattern for LIKE",
        arguments: [
            ("acme-*", "acme-%"), ("a?c", "a_c"), ("100%_x", #"100\%\_x"#), (#"\*\\"#, #"*\\"#),
            ("**", "%"),
        ])
    func like(pattern: String, expected: String) throws {
        #expect(try Glob(pattern).likePattern == expected)
    }

    @Test(
        "what is no pattern is refused",
        arguments: [
            ("", GlobError.empty), ("a[bc]", .set), (#"a\"#, .trailingBackslash),
            (String(repeating: "a", count: 256), .tooLong), ("a\0*", .null),
        ])
    func refuses(pattern: String, expected: GlobError) {
        #expect(throws: expected) { try Glob(pattern) }
    }

    @Test("a hostile pattern takes no time")
    func hostile() throws {
        let pattern = String(repeating: "*a", count: 127) + "b"
        #expect(try !Glob(pattern).matches(String(repeating: "a", count: 20_000)))
    }
}
