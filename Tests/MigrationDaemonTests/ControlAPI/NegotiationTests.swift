import Testing

@testable import ControlAPI
@testable import MigrationDaemon

@Suite struct NegotiationTests {
    static let wishes: [(String, [String], MediaType?)] = [
        ("nothing said", [], .json),
        ("anything", ["*/*"], .json),
        ("any application", ["application/*"], .json),
        ("lines by name", ["application/x-ndjson"], .ndjson),
        ("lines preferred", ["application/json;q=0.5, application/x-ndjson"], .ndjson),
        ("both alike: the usual one", ["application/x-ndjson, application/json"], .json),
        ("all but JSON", ["application/json;q=0, */*"], .ndjson),
        ("closest range counts", ["*/*;q=1, application/x-ndjson;q=0.1"], .json),
        ("two field lines", ["text/html", "application/x-ndjson"], .ndjson),
        ("blanks and case", [" Application/JSON ; Q=0.8 "], .json),
        ("nothing fits", ["text/html, image/png"], nil),
        ("refused outright", ["*/*;q=0"], nil),
        ("not a media range: ignored", ["*"], .json),
    ]

    @Test("the media type follows the Accept field", arguments: wishes)
    func chooses(name: String, values: [String], expected: MediaType?) {
        #expect(Acceptance(values).choose(among: [.json, .ndjson]) == expected, "\(name)")
    }

    @Test(
        "a body is JSON in UTF-8 or nothing",
        arguments: [
            ("application/json", true), ("Application/JSON", true),
            ("application/json; charset=utf-8", true),
            ("application/json;charset=\"UTF-8\"", true), ("application/json;", true),
            ("application/json; charset=iso-8859-1", false), ("text/json", false),
            ("application/problem+json", false), ("application/jsonx", false), ("", false),
        ])
    func contentType(value: String, isJSON: Bool) {
        #expect(MediaType.isJSON(value) == isJSON)
    }

    @Test(
        "of Prefer only wait is looked at, and at most five minutes are granted",
        arguments: [
            (["wait=10"], 10), (["respond-async, wait=10"], 10), (["WAIT = 7"], 7),
            (["wait=\"5\""], 5), (["wait=301"], 300), (["wait=3; x=y"], 3), (["wait=0"], 0),
            (["respond-async", "wait=2"], 2), (["wait=-1"], nil), (["wait"], nil),
            (["wait=soon"], nil), ([], nil), (["wait=99999999999999999999"], nil),
        ])
    func prefer(values: [String], expected: Int?) {
        #expect(Preference.wait(values) == expected)
    }

    @Test(
        "If-None-Match is compared weakly",
        arguments: [
            (["W/\"7\""], true), (["\"7\""], true), (["\"6\", W/\"7\""], true), (["*"], true),
            (["\"6\"", "\"7\""], true), (["7"], false), (["W/\"77\""], false), ([], false),
        ])
    func entityTag(values: [String], matches: Bool) {
        #expect(EntityTag(value: "7").matches(ifNoneMatch: values) == matches)
    }
}
