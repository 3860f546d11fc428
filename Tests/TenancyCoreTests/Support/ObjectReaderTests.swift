import Testing

@testable import Support

private enum Colour: String, CaseIterable {
    case red, green
}

private struct Request: Equatable {
    var name: String
    var count: Int?
    var colour: Colour?
    var isOn: Bool?
    var tags: [String]?
    var inner: [Int]?
}

private func read(_ text: String) throws -> Request {
    try ObjectReader.read(try JSONValue.parse(Array(text.utf8))) { reader in
        let name = reader.string("name", .required, length: 1...5)
        let count = reader.integer("concurrency", in: 1...1_000)
        let colour = reader.choice("colour", .nullable, of: Colour.self)
        let isOn = reader.bool("is_on")
        let tags = reader.strings("tags", count: 0...2, length: 0...3)
        let inner = reader.objects("inner", .nullable) { reader in
            reader.integer("x", .required, in: 0...Int.max)
        }
        return name.map {
            Request(name: $0, count: count, colour: colour, isOn: isOn, tags: tags, inner: inner)
        }
    }
}

@Suite struct ObjectReaderTests {
    @Test("a whole object is read")
    func whole() throws {
        let text = """
            {"name": "a", "concurrency": 1e1, "colour": "green", "is_on": false, "tags": ["x"],
             "inner": [{"x": 1}, {"x": 2}]}
            """
        let expected = Request(
            name: "a", count: 10, colour: .green, isOn: false, tags: ["x"], inner: [1, 2])
        #expect(try read(text) == expected)
        #expect(try read(#"{"name": "a", "colour": null, "inner": null}"#) == Request(name: "a"))
    }

    @Test(
        "each problem has its pointer and says what must be",
        arguments: [
            ("[]", [" must be an object"]), ("null", [" must be an object"]),
            ("{}", ["/name is required"]), (#"{"name": null}"#, ["/name must not be null"]),
            (#"{"name": 1}"#, ["/name must be a string"]),
            (#"{"name": ""}"#, ["/name must have 1 to 5 characters"]),
            (#"{"name": "a\u0000"}"#, ["/name must not contain the character U+0000"]),
            (
                #"{"name": "a", "concurrency": 0}"#,
                ["/concurrency must be between 1 and 1000"]
            ),
            (
                #"{"name": "a", "concurrency": 1e300}"#,
                ["/concurrency must be between 1 and 1000"]
            ),
            (#"{"name": "a", "concurrency": 1.5}"#, ["/concurrency must be an integer"]),
            (#"{"name": "a", "concurrency": "5"}"#, ["/concurrency must be an integer"]),
            (#"{"name": "a", "concurrency": null}"#, ["/concurrency must not be null"]),
            (
                #"{"name": "a", "colour": "gren"}"#,
                [#"/colour must be one of "red", "green"; did you mean "green"?"#]
            ),
            (#"{"name": "a", "colour": 1}"#, [#"/colour must be one of "red", "green""#]),
            (#"{"name": "a", "is_on": 1}"#, ["/is_on must be true or false"]),
            (#"{"name": "a", "tags": "x"}"#, ["/tags must be an array"]),
            (#"{"name": "a", "tags": [1, "x"]}"#, ["/tags/0 must be a string"]),
            (#"{"name": "a", "tags": ["abcd"]}"#, ["/tags/0 must have at most 3 characters"]),
            (#"{"name": "a", "tags": ["", "", ""]}"#, ["/tags must have at most 2 items"]),
            (
                #"{"name": "a", "inner": [{}, {"x": -1}, 5, {"x": 1, "y": 2}]}"#,
                [
                    "/inner/0/x is required", "/inner/1/x must be at least 0",
                    "/inner/2 must be an object", #"/inner/3/y is not known; did you mean "x"?"#,
                ]
            ),
            (
                #"{"concurency": 5, "zzz": 1, "a/b~c": 2}"#,
                [
                    "/name is required",
                    #"/concurency is not known; did you mean "concurrency"?"#,
                    "/zzz is not known", "/a~1b~0c is not known",
                ]
            ),
        ])
    func problems(text: String, expected: [String]) {
        let error = #expect(throws: FieldIssues.self) { try read(text) }
        #expect(error?.issues.map { "\($0.pointer) \($0.detail)" } == expected)
    }

    @Test("a path is written for people, too")
    func keyPath() {
        let path: [PathStep] = [.key("server"), .key("tokens"), .index(0), .key("sha256")]
        let issue = FieldIssue(path: path, detail: "is required")
        #expect(issue.keyPath == "server.tokens[0].sha256")
        #expect("\(issue)" == "server.tokens[0].sha256 is required")
        #expect(FieldIssue(path: [], detail: "x").pointer.isEmpty)
    }

    @Test("the number of problems is bounded")
    func bounded() {
        let members = (0..<5_000).map { "\"unknown\($0)\":0" }.joined(separator: ",")
        let error = #expect(throws: FieldIssues.self) { try read("{\(members)}") }
        #expect(error?.issues.count == 100)
        // The one about `name`, and the first 99 unknown members.
        #expect(error?.omitted == 4_901)
        #expect(error?.description.hasSuffix("; and 4901 more") == true)
    }

    @Test("the work on a text of unknown members grows with it, and that on their names does not")
    func effort() {
        for count in [1_000, 10_000, 90_000] {
            let members = (0..<count).map { "\"concurrenc\($0)\":0" }.joined(separator: ",")
            let error = #expect(throws: FieldIssues.self) { try read("{\(members)}") }
            #expect(error?.issues.count == 100 && error?.omitted == count - 99)
            #expect(error?.effort == ReadingEffort(members: count, guesses: 99))
        }
        // Members in an array's items count, too.
        let item = "{" + (0..<300).map { "\"y\($0)\": 1" }.joined(separator: ",") + "}"
        let inner = Array(repeating: item, count: 9).joined(separator: ",")
        let error = #expect(throws: FieldIssues.self) {
            try read(#"{"name": "a", "inner": [\#(inner)]}"#)
        }
        #expect(error?.issues.count == 100)
        // The first of each item's problems is that it lacks a member.
        #expect(error?.omitted == 9 * 301 - 100)
        #expect(error?.effort == ReadingEffort(members: 9 * 300 + 2, guesses: 99))
    }

    @Test("problems beyond the bound are counted wherever they are found")
    func boundedInside() {
        let inner = (0..<70).map { _ in #"{"y": 1}"# }.joined(separator: ",")
        let text = #"{"name": "a", "inner": [\#(inner)]}"#
        let error = #expect(throws: FieldIssues.self) { try read(text) }
        #expect(error?.issues.count == 100)
        #expect(error?.omitted == 40)
    }

    @Test("the name of an unknown member is repeated only where it is short")
    func longName() {
        let text = #"{"name": "a", "\#(String(repeating: "k", count: 256))": 1}"#
        let error = #expect(throws: FieldIssues.self) { try read(text) }
        #expect(
            error?.issues.map { "\($0.pointer) \($0.detail)" }
                == [" has an unknown member, its name longer than 255 bytes"])
    }

    @Test(
        "a near name is guessed, a far one is not",
        arguments: [
            ("databse_url", "database_url"), ("conn", nil), ("prot", "port"), ("x", nil),
            ("Database_URL", nil), ("", nil), (String(repeating: "a", count: 5_000), nil),
        ] as [(String, String?)])
    func nearness(name: String, expected: String?) {
        let names = ["database_url", "port", "concurrency"]
        #expect(EditDistance.nearest(to: name, among: names) == expected)
    }
}
