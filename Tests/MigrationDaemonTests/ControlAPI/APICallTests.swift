import HTTPLite
import Support
import Testing

@testable import ControlAPI
@testable import ControlStore
@testable import DaemonConfiguration
@testable import JobModel
@testable import MigrationDaemon
@testable import Revisions

@Suite struct APICallTests {
    private static let json: HTTPFields = ["Content-Type": "application/json"]

    private func code(
        _ endpoint: Endpoint, _ target: String = "/", _ fields: HTTPFields = [:], body: String = ""
    ) throws -> ProblemCode? {
        admit(try makeRequest(endpoint.method, target, fields, body: body), endpoint).problem?.code
    }

    static let bodies: [(String, HTTPFields, String, ProblemCode?)] = [
        ("JSON", json, "{}", nil),
        ("a charset", ["Content-Type": "application/json; charset=utf-8"], "{}", nil),
        ("no media type", [:], "{}", .unsupportedMediaType),
        ("another media type", ["Content-Type": "text/plain"], "{}", .unsupportedMediaType),
        (
            "two media types",
            ["Content-Type": "application/json", "content-type": "application/json"], "{}",
            .unsupportedMediaType
        ),
        ("not JSON", json, "{", .invalidJSON),
        ("two values", json, "{} {}", .invalidJSON),
        ("a key twice", json, "{\"a\":1,\"a\":2}", .invalidJSON),
        ("nothing at all", json, "", .invalidJSON),
        ("too deep", json, String(repeating: "[", count: 100_000), .invalidJSON),
    ]

    @Test("a body must be JSON and say so", arguments: bodies)
    func body(name: String, fields: HTTPFields, body: String, expected: ProblemCode?) throws {
        #expect(try code(JobRoutes.create, "/v1/jobs", fields, body: body) == expected, "\(name)")
    }

    @Test("where every member has a default the body may be left out, and its media type with it")
    func optionalBody() throws {
        let path = "/v1/jobs/x/cancel"
        let call = try admit(try makeRequest(.post, path), JobControlRoutes.cancel).get()
        #expect(call.body == [:])
        #expect(try code(JobControlRoutes.cancel, path, body: "{}") == .unsupportedMediaType)
        #expect(try code(JobControlRoutes.cancel, path, Self.json, body: "[") == .invalidJSON)
    }

    @Test("the byte where JSON ends is told")
    func offset() throws {
        let request = try makeRequest(.post, "/v1/jobs", Self.json, body: "{\"a\": x}")
        let problem = admit(request, JobRoutes.create).problem
        #expect(problem?.extensions["offset"]?.intValue == 6)
    }

    @Test("nothing that fits the Accept field is 406")
    func notAcceptable() throws {
        let lines: HTTPFields = ["Accept": "application/x-ndjson"]
        #expect(try code(JobRoutes.list, "/v1/jobs", lines) == .notAcceptable)
        #expect(try code(JobRoutes.tenants, "/v1/jobs/x/tenants", lines) == nil)
        #expect(try code(JobRoutes.list, "/v1/jobs", ["Accept": "text/html"]) == .notAcceptable)
    }

    @Test(
        "an idempotency key is 1 to 255 printable ASCII characters",
        arguments: [
            ("release-47", true), (String(repeating: "k", count: 255), true), ("a b", true),
            ("", false), (String(repeating: "k", count: 256), false), ("schlüssel", false),
        ])
    func idempotencyKey(key: String, isGood: Bool) throws {
        var fields = Self.json
        fields.append("Idempotency-Key", key)
        let request = try makeRequest(.post, "/v1/jobs", fields, body: "{}")
        let result = admit(request, JobRoutes.create)
        #expect((result.problem == nil) == isGood)
        if isGood { #expect(try result.get().idempotencyKey == key) }
        if !isGood { #expect(result.problem?.items.first?.pointer == "Idempotency-Key:") }
    }

    @Test("the same content under another order of members is the same request")
    func canonicalBody() throws {
        func hash(_ body: String, _ target: String = "/v1/jobs") throws -> String? {
            var fields = Self.json
            fields["Idempotency-Key"] = "k"
            let request = try makeRequest(.post, target, fields, body: body)
            return try admit(request, JobRoutes.create).get().idempotency?.bodyHash
        }
        let hashes = try [
            hash("{\"operation\": \"check\", \"tenants\": {\"limit\": 1, \"match\": \"a\"}}"),
            hash("{\"tenants\":{\"match\":\"a\",\"limit\":1},\"operation\":\"check\"}"),
        ]
        #expect(hashes[0] == hashes[1])
        #expect(try hash("{\"operation\":\"check\"}") != hashes[0])
        #expect(try hash("{}", "/v1/jobs/a/retry") != hash("{}", "/v1/jobs/b/retry"))
    }

    @Test("query, key and all else that is wrong with the head come at once")
    func everythingAtOnce() throws {
        var fields = Self.json
        fields.append("Idempotency-Key", "")
        let request = try makeRequest(.post, "/v1/jobs?dry=1&wet=2", fields, body: "{}")
        let items = admit(request, JobRoutes.create).problem?.items
        #expect(items?.map(\.pointer) == ["?dry", "?wet", "Idempotency-Key:"])
    }

    @Test("a job's id is a UUID, and anything else is no job")
    func jobID() throws {
        for (text, isKnown) in [("0197b0c4-5d1c-7aa0-b9b4-0a4c5e3c9f10", true), ("7", false)] {
            let request = try makeRequest(.get, "/v1/jobs/x", parameters: ["id": text])
            let call = try admit(request, JobRoutes.show).get()
            do throws(Problem) {
                #expect(try call.jobID().description == text)
            } catch {
                #expect(!isKnown && error.code == .notFound)
            }
        }
    }

    @Test("who may stamp is looked at after the body is known")
    func require() throws {
        let fields: HTTPFields = ["Authorization": "Bearer run"]
        let request = try makeRequest(.get, "/v1/jobs", fields)
        let call = try admit(request, JobRoutes.list, tokens: ["run": .operator]).get()
        try call.require(.operator, to: "start jobs")
        #expect(throws: Problem.self) { try call.require(.admin, to: "stamp") }
    }

    @Test("a caller who has the newest state is told so without a body")
    func notModified() throws {
        let tag = EntityTag(value: "7")
        let fields: HTTPFields = ["If-None-Match": "W/\"7\""]
        let call = try admit(try makeRequest(.get, "/v1/jobs", fields), JobRoutes.list).get()
        let response = call.json(["a": 1], tag: tag)
        #expect(response.status == .notModified)
        #expect(response.fields["ETag"] == "W/\"7\"")
        #expect(response.json == nil)
        let other = call.json(["a": 1], tag: EntityTag(value: "8"))
        #expect(other.status == .ok)
        #expect(other.json == ["a": 1])
        #expect(other.fields["Content-Type"] == "application/json")
    }

    @Test("a page has a cursor only while there is more")
    func pages() {
        let cursor = Cursor(list: "numbers")
        let more = Page([1, 2, 3], limit: 2)
        #expect(more.rows == [1, 2])
        #expect(
            more.nextCursor(cursor) { "\($0)" }.flatMap(cursor.position(in:)) == "2")
        #expect(Page([1, 2], limit: 2).nextCursor(cursor) { "\($0)" } == nil)
        #expect(Page([Int](), limit: 2).nextCursor(cursor) { "\($0)" } == nil)
    }

    @Test("the body of a plan names a tenant or rows")
    func planQuestion() throws {
        func read(_ body: JSONValue) throws(FieldIssues) -> PlanQuestion {
            try ObjectReader.read(body, PlanQuestion.read)
        }
        let rows = try read(["current": []])
        #expect(rows.start == .rows([]))
        #expect(rows.operation == .upgrade)
        #expect(rows.target == "head")
        let tenant = try read(["tenant": "acme", "operation": "downgrade"])
        #expect(tenant.start == .tenant("acme"))
        #expect(tenant.target == "-1")
        for body: JSONValue in [[:], ["tenant": "a", "current": []], ["operation": "check"]] {
            #expect(throws: FieldIssues.self) { try read(body) }
        }
    }
}
