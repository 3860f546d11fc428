import Testing

@testable import DaemonConfiguration
@testable import PostgresClient
@testable import Support
@testable import Tenants

private func fixture(_ name: String) -> JSONValue {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined()
    let bytes = (try? Files.read("\(root)/Fixtures/tenancy/\(name)")) ?? []
    return (try? JSONValue.parse(bytes)) ?? .null
}

/// Answers of fastapi-tenancy, recorded.
private let vectors = fixture("vectors.json")

/// Answers of SQLAlchemy, recorded.
private let urls = fixture("urls.json")

@Suite struct PlacementVectorTests {
    @Test("all recorded cases are there")
    func counts() {
        #expect(vectors["placement"]?.arrayValue?.count == 120)
        #expect(vectors["encryption"]?.arrayValue?.count == 44)
        #expect(urls["urls"]?.arrayValue?.count == 200)
    }

    @Test("a tenant is placed as fastapi-tenancy places it", arguments: 0..<120)
    func placement(index: Int) throws {
        let vector = try #require(vectors["placement"]?.arrayValue?[index])
        let document: JSONValue = ["tenancy": try #require(vector["config"])]
        let config = try load(document.renderedString())
        let resolver = try PlacementResolver(config.tenancy.placementRules)
        let row = try #require(vector["tenant"])
        let tenant = Tenant(
            id: row["id"]?.stringValue ?? "", identifier: row["identifier"]?.stringValue ?? "",
            databaseURL: row["database_url"]?.stringValue.map { Secret($0) },
            schemaName: row["schema_name"]?.stringValue)
        if vector["expect"]?["error"] != nil {
            #expect(throws: PlacementError.self) { try resolver.place(tenant) }
            return
        }
        let placement = try resolver.place(tenant)
        let expected = try #require(vector["expect"])
        #expect(placement.isolation.rawValue == expected["isolation"]?.stringValue)
        #expect(placement.target.schema?.text == expected["schema"]?.stringValue)
        let url = try #require(expected["url"])
        #expect(placement.target.connection == connection(url))
    }

    @Test("a URL is read as SQLAlchemy reads it", arguments: 0..<200)
    func url(index: Int) throws {
        let vector = try #require(urls["urls"]?.arrayValue?[index])
        let text = try #require(vector["url"]?.stringValue)
        #expect(try ConnectionString.parse(Secret(text)) == connection(vector), "\(text)")
    }

    /// The parameters of a recorded URL. asyncpg's `ssl` is libpq's `sslmode`.
    private func connection(_ url: JSONValue) -> ConnectionParameters {
        var values: [String: String] = [:]
        let names = ["host": "host", "user": "user", "password": "password", "database": "dbname"]
        for (member, keyword) in names { values[keyword] = url[member]?.stringValue }
        values["port"] = url["port"]?.intValue.map { "\($0)" }
        for member in url["query"]?.objectValue?.members ?? [] {
            values[member.key == "ssl" ? "sslmode" : member.key] = member.value.stringValue
        }
        return ConnectionParameters(values)
    }

    @Test("a field is opened as fastapi-tenancy opens it", arguments: 0..<44)
    func encryption(index: Int) throws {
        let vector = try #require(vectors["encryption"]?.arrayValue?[index])
        let cipher = FieldCipher(key: Secret(try #require(vector["key"]?.stringValue)))
        let stored = Secret(try #require(vector["stored"]?.stringValue))
        if let plain = vector["plaintext"]?.stringValue {
            #expect(try cipher.open(stored).reveal() == plain)
        } else {
            #expect(throws: FieldCipherError.invalidToken) { try cipher.open(stored) }
        }
    }

    @Test("a token that is cut anywhere is refused")
    func cutTokens() throws {
        let vector = try #require(vectors["encryption"]?.arrayValue?[0])
        let cipher = FieldCipher(key: Secret(try #require(vector["key"]?.stringValue)))
        let stored = try #require(vector["stored"]?.stringValue)
        for count in 5..<stored.count {
            #expect(throws: FieldCipherError.invalidToken) {
                try cipher.open(Secret(String(stored.prefix(count))))
            }
        }
    }
}
