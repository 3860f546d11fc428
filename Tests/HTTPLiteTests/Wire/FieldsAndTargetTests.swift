import Testing

@testable import HTTPLite

@Suite("Fields")
struct HTTPFieldsTests {
    @Test("names are the same in any case, values keep their order")
    func lookup() {
        var fields: HTTPFields = ["Accept": "a", "X-Id": "1"]
        fields.append("ACCEPT", "b")
        #expect(fields["accept"] == "a")
        #expect(fields.values(of: "Accept") == ["a", "b"])
        fields["aCCEPT"] = "c"
        #expect(fields.values(of: "accept") == ["c"])
        fields["x-id"] = nil
        #expect(fields.all.map(\.name) == ["aCCEPT"])
    }

    @Test("letters outside ASCII are not folded")
    func kelvin() {
        let fields: HTTPFields = ["Key": "1"]
        #expect(fields["\u{212A}ey"] == nil)
        #expect(!fields.contains("key", token: "\u{FF11}"))
    }

    @Test("a token is found in lists over several lines")
    func tokens() {
        var fields: HTTPFields = ["Connection": "keep-alive,\t Close ,,"]
        fields.append("connection", "upgrade")
        #expect(fields.contains("Connection", token: "close"))
        #expect(fields.contains("Connection", token: "Upgrade"))
        #expect(!fields.contains("Connection", token: "clos"))
    }
}

@Suite("Targets")
struct RequestTargetTests {
    private func target(_ text: String, _ method: HTTPMethod = .get) throws -> RequestTarget {
        try RequestTarget(Array(text.utf8)[...], method: method)
    }

    @Test(
        "the four forms",
        arguments: [
            ("/", "/", ""), ("/a/b?x=1", "/a/b", ""), ("/?", "/", ""), ("//a", "//a", ""),
            ("http://h", "/", "h"), ("http://h/", "/", "h"), ("https://h:8/a?b", "/a", "h:8"),
            ("HTTP://[::1]:80?q", "/", "[::1]:80"),
        ])
    func forms(raw: String, path: String, authority: String) throws {
        let target = try target(raw)
        #expect(target.path == path)
        #expect(target.authority ?? "" == authority)
    }

    @Test("OPTIONS asks for the server or for a path")
    func options() throws {
        #expect(try target("*", .options).path == "*")
        #expect(try target("http://h", .options).path == "*")
        #expect(try target("http://h/", .options).path == "/")
    }

    @Test("query parameters are decoded once, in order")
    func query() throws {
        let query = try target("/?a=1&b=%2525+%2B&a=2&c&=d&&e==").query
        #expect(query.names == ["a", "b", "c", "", "e"])
        #expect(query.all("a") == ["1", "2"])
        #expect(query.first("b") == "%25 +")
        #expect(query.first("c") == "")
        #expect(query.first("") == "d")
        #expect(query.first("e") == "=")
        #expect(query.first("f") == nil)
    }

    @Test(
        "hosts",
        arguments: [
            ("", true), ("a.example", true), ("a:80", true), ("a:", true), ("127.0.0.1:8080", true),
            ("[::1]", true), ("[::ffff:1.2.3.4]:1", true), ("a%2Db", true), ("a_b~!", true),
            ("a b", false), ("a/b", false), ("u@a", false), ("a:b", false), ("a:123456", false),
            ("[::1", false), ("[]", false), ("[::1]x", false), ("::1", false), ("a%2", false),
            ("a,b", true), ("a\"b", false),
        ])
    func hosts(text: String, isValid: Bool) {
        #expect(HostSyntax.isValid(Array(text.utf8)[...]) == isValid)
    }
}
