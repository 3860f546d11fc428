import HTTPLite
import Support
import Testing

@testable import ControlAPI
@testable import MigrationDaemon
@testable import Tenants

@Suite struct QueryTests {
    private static let parameters: [QueryParameter] = [
        .limit, .cursor, JobRoutes.state, TenantRoutes.match, TenantRoutes.behind,
        TenantRoutes.isolation, TenantRoutes.status,
    ]

    private func read(_ query: String) throws -> (QueryValues, [String]) {
        let request = try makeRequest(.get, "/?\(query)")
        var issues: [Problem.Item] = []
        let values = QueryValues(request.query, Self.parameters, issues: &issues)
        return (values, issues.map { "\($0.pointer) \($0.detail)" })
    }

    @Test("values are read as what they are declared")
    func reads() throws {
        let (values, issues) = try read(
            "limit=7&state=running,queued&match=ac%2A&behind=true&isolation=rls&status=a,b")
        #expect(issues == [])
        #expect(values.limit == 7)
        #expect(values.list(JobRoutes.state) == ["running", "queued"])
        #expect(values.glob(TenantRoutes.match)?.description == "ac*")
        #expect(values.flag(TenantRoutes.behind) == true)
        #expect(values.text(TenantRoutes.isolation) == "rls")
        #expect(values.list(TenantRoutes.status) == ["a", "b"])
    }

    @Test("without a query the defaults hold")
    func defaults() throws {
        let (values, issues) = try read("")
        #expect(issues == [])
        #expect(values.limit == 100)
        #expect(values.list(JobRoutes.state) == nil)
    }

    static let wrong: [(String, String)] = [
        ("limit=0", "?limit must be an integer between 1 and 1000"),
        ("limit=1001", "?limit must be an integer between 1 and 1000"),
        ("limit=", "?limit must be an integer between 1 and 1000"),
        ("limit=+5", "?limit must be an integer between 1 and 1000"),
        ("limit=%EF%BC%95", "?limit must be an integer between 1 and 1000"),
        ("limit=1&limit=2", "?limit stands twice"),
        ("Limit=1", "?Limit is not a parameter of this call"),
        ("cursor=", "?cursor must have 1 to 2000 characters"),
        ("state=running,", "?state must be a comma-separated list of queued, running"),
        ("state=done", "?state must be a comma-separated list of queued, running"),
        ("behind=yes", "?behind must be true or false"),
        ("isolation=hybrid", "?isolation must be one of schema, database, rls"),
        ("match=a%5B", "?match must not contain ["),
        ("status=a,,b", "?status must be a comma-separated list of words"),
    ]

    @Test("what is unknown, repeated or wrong is refused", arguments: wrong)
    func refuses(query: String, complaint: String) throws {
        let (_, issues) = try read(query)
        #expect(issues.count == 1, "\(query): \(issues)")
        #expect(issues.first?.hasPrefix(complaint) == true, "\(query): \(issues)")
    }

    @Test("all problems of a query come at once")
    func allAtOnce() throws {
        #expect(try read("limit=x&nope=1&behind=2").1.count == 3)
    }
}

@Suite struct CursorTests {
    @Test(
        "a position comes back from its cursor",
        arguments: ["t-000017", "a\nb", "ü/?=&", String(repeating: "x", count: 255)])
    func roundTrip(position: String) {
        let cursor = Cursor(list: "tenants?status=active")
        let text = cursor.text(after: position)
        #expect(cursor.position(in: text) == position)
        #expect(text.utf8.allSatisfy { $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "/") })
    }

    @Test(
        "a forged cursor, and one of another list or question, is none",
        arguments: [
            "", "x", "AAAA", "MQ", "MQo", "ÄÖÜ", "MQp4CnQtMQ", "MQ==",
            Cursor(list: "jobs?state=failed").text(after: "t-1"),
            Cursor(list: "tenants?status=active").text(after: "t\0"),
        ])
    func refuses(text: String) {
        #expect(Cursor(list: "tenants?status=active").position(in: text) == nil)
    }

    @Test("changing any character of a cursor changes nothing or is noticed")
    func tampered() {
        let cursor = Cursor(list: "revisions")
        let text = cursor.text(after: "a1c0ffee0001")
        for index in text.indices {
            var other = text
            other.replaceSubrange(index...index, with: text[index] == "A" ? "B" : "A")
            #expect(cursor.position(in: other) != "a1c0ffee0001", "\(other)")
        }
    }

    @Test(
        "base 64 is that of RFC 4648", arguments: ["", "f", "fo", "foo", "foob", "fooba", "foobar"])
    func base64(text: String) {
        let encoded = [
            "": "", "f": "Zg", "fo": "Zm8", "foo": "Zm9v", "foob": "Zm9vYg", "fooba": "Zm9vYmE",
            "foobar": "Zm9vYmFy",
        ]
        #expect(Base64URL.encode(Array(text.utf8)) == encoded[text])
        #expect(Base64URL.decode(encoded[text] ?? "") == Array(text.utf8))
    }
}
