import Testing

@testable import Support

private func parse(_ text: String, maxDepth: Int = 64) throws(JSONError) -> JSONValue {
    try JSONValue.parse(Array(text.utf8), maxDepth: maxDepth)
}

@Suite struct JSONParserTests {
    @Test(
        "a text is read as its value",
        arguments: [
            ("null", JSONValue.null), (" true ", true), ("false", false), ("0", 0), ("-0", 0),
            ("12", 12), ("-1.5e3", -1500), ("1E+2", 100), ("\"\"", ""), ("\"a\"", "a"),
            ("[]", []), ("[1, [2], {}]", [1, [2], [:]]), ("{}", [:]),
            ("\t{\"a\" :\r\n1 , \"b\": [ ] }\n", ["a": 1, "b": []]),
            (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (#""\u00e9\u20AC\ud83d\ude00""#, "é€😀"), ("\"é€😀\"", "é€😀"),
            (#""\u0000""#, "\u{0}"), ("\"\u{7f}\u{2028}\"", "\u{7f}\u{2028}"),
        ] as [(String, JSONValue)])
    func reads(text: String, expected: JSONValue) throws {
        #expect(try parse(text) == expected)
    }

    @Test(
        "a text that is not JSON is refused where it stops being JSON",
        arguments: [
            ("", 0), ("  ", 2), ("nul", 3), ("nulll", 4), ("True", 0), ("'a'", 0), ("1 2", 2),
            ("01", 1), ("-", 1), ("+1", 0), (".5", 0), ("1.", 2), ("1e", 2), ("1e+", 3),
            ("0x1", 1), ("NaN", 0), ("Infinity", 0), ("-Infinity", 1), ("[1,]", 3), ("[1 2]", 3),
            ("[", 1), ("[1", 2), ("{", 1), ("{\"a\"}", 4), ("{\"a\":}", 5), ("{\"a\":1,}", 7),
            ("{a:1}", 1), ("{\"a\":1 \"b\":2}", 7), ("{\"a\":1", 6), ("// c\n1", 0),
            ("\"a", 2), ("\"\n\"", 1), ("\"\t\"", 1), (#""\a""#, 2), (#""\u12g4""#, 5),
            (#""\u123"#, 6), (#""\ud800""#, 1), (#""\udc00""#, 1), (#""\ud800\u0041""#, 1),
            (#""\ud800x""#, 1), ("\u{feff}1", 0), ("[1]]", 3), ("\u{a0}1", 0),
        ])
    func refuses(text: String, offset: Int) {
        let error = #expect(throws: JSONError.self) { try parse(text) }
        #expect(error?.offset == offset, "\(text): \(error.map { "\($0)" } ?? "")")
    }

    @Test(
        "bytes that are not UTF-8 are refused at their place",
        arguments: [
            ([0x22, 0xFF, 0x22], 1), ([0x22, 0x61, 0xC3, 0x22], 2), ([0x22, 0xC0, 0x80, 0x22], 1),
            ([0x22, 0xED, 0xA0, 0x80, 0x22], 1), ([0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], 1),
            ([0x22, 0xC3, 0xA9, 0x80, 0x22], 3), ([0xFF], 0),
        ] as [([UInt8], Int)])
    func refusesBytes(bytes: [UInt8], offset: Int) {
        let error = #expect(throws: JSONError.self) { try JSONValue.parse(bytes) }
        #expect(error?.offset == offset)
    }

    @Test("a name that stands twice is refused, in small and in large objects")
    func duplicates() {
        let error = #expect(throws: JSONError.self) { try parse(#"{"a":1, "\u0061":2}"#) }
        #expect(error?.offset == 8)
        let many = (0..<100).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
        #expect(throws: Never.self) { try parse("{\(many)}") }
        #expect(throws: JSONError.self) { try parse("{\(many),\"k7\":1}") }
        // Two ways of writing one letter are two names, as they are for PostgreSQL.
        #expect(throws: Never.self) { try parse("{\"\u{e9}\":1,\"e\u{301}\":2}") }
    }

    @Test("nesting is bounded")
    func depth() {
        let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(throws: Never.self) { try parse(deep) }
        #expect(throws: JSONError.self) { try parse("[\(deep)]") }
        #expect(throws: JSONError.self) { try parse(String(repeating: "{\"a\":", count: 100_000)) }
        #expect(throws: Never.self) { try parse("1", maxDepth: 0) }
        #expect(throws: JSONError.self) { try parse("[]", maxDepth: 0) }
    }

    @Test("what a parser reads, the renderer writes, and the other way round")
    func roundTrip() throws {
        let text = #"{"b":1.50,"a":[true,null,"é\n\u0001\u001f\"\\"],"c":{},"d":1e400,"e":-0.0}"#
        #expect(try parse(text).renderedString() == text)
        let value: JSONValue = ["x": [1, 2.5, [:], []], "y": nil, "z": "\u{8}\u{c}\r\t\u{7f}/"]
        #expect(try parse(value.renderedString()) == value)
        #expect(try parse(value.renderedString(pretty: true)) == value)
    }

    @Test("seeded mutations of a text never trap, and what is read is written back equal")
    func mutations() throws {
        var random = SplitMix(seed: 20)
        let text = Array(
            #"{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n"],"b":{"c":null,"d":[true]}}"#.utf8)
        for _ in 0..<20_000 {
            var bytes = text
            for _ in 0...Int.random(in: 0...3, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                bytes[place] = UInt8.random(in: 0...255, using: &random)
            }
            guard let value = try? JSONValue.parse(bytes) else { continue }
            #expect(try JSONValue.parse(value.rendered()) == value)
        }
    }
}

/// Steele, Lea and Flood's SplitMix64: small, and the same on every machine.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
