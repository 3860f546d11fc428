import Foundation
import TenancyCore
import Testing

@Suite("Splitting SQL")
struct SQLSplitterTests {
    struct Vectors: Decodable {
        struct Case: Decodable {
            let name: String
            let sql: String
            let statements: [String]
        }
        let cases: [Case]

        static func load() throws -> Vectors {
            try JSONDecoder().decode(Self.self, from: Fixtures.data("sql/split.json"))
        }
    }

    @Test("every recorded text is split as PostgreSQL's grammar splits it")
    func splitsAsRecorded() throws {
        let cases = try Vectors.load().cases
        #expect(cases.count == 300)
        for entry in cases {
            let texts = try SQLSplitter.split(entry.sql).map(\.text)
            #expect(texts == entry.statements, "\(entry.name)")
        }
    }
}
