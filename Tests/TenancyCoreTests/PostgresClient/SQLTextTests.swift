import TestSupport
import Testing

@testable import PostgresClient

/// A quote with a combining mark behind it is one `Character` and two code points.
private let hostile = [
    "", "a", "'", "''", "\\", "\\'", "'\u{301}; DROP TABLE t; --", "\"\u{301}", "\\\u{301}'",
    "a\nb\r\tc", "{a,b}", "NULL", "null", "a,b", " ", "é\u{1F600}", "$1", "E'x'", "x'; SELECT '1",
]

@Suite(.timeLimit(.minutes(5))) struct SQLTextTests {
    @Test(
        "a literal is quoted, and marked where it holds a backslash",
        arguments: [
            ("", "''"), ("a", "'a'"), ("o'clock", "'o''clock'"), ("a\\b", " E'a\\\\b'"),
            ("\\'", " E'\\\\'''"), ("'\u{301}", "'''\u{301}'"),
        ])
    func literal(text: String, sql: String) {
        // By scalars: to == an accent may stand on either side of a quote.
        #expect(SQLText.literal(text).unicodeScalars.elementsEqual(sql.unicodeScalars))
    }

    @Test("an array as a parameter keeps NULL and quotes everything else")
    func arrayParameter() {
        let text = SQLText.arrayParameter(["a", nil, "b\"c", "d\\e", "NULL", ""])
        #expect(text == #"{"a",NULL,"b\"c","d\\e","NULL",""}"#)
        #expect(SQLText.arrayParameter([]) == "{}")
    }

    @Test("PostgreSQL reads back what was quoted, with any setting", arguments: ["on", "off"])
    func roundTrip(conforming: String) async throws {
        try await TestCluster.withDatabase { database in
            let connection = try await database.connect()
            _ = try await connection.execute("SET standard_conforming_strings = \(conforming)")
            let literals = hostile.map(SQLText.literal).joined(separator: ", ")
            let rows = try await connection.execute("SELECT \(literals)")[0].rows
            #expect(bytes(rows[0]) == bytes(hostile))

            let array = try await connection.execute(
                "SELECT unnest(\(SQLText.textArray(hostile)))")[0].rows
            #expect(bytes(array.map { $0[0] }) == bytes(hostile))

            let parameter = SQLText.arrayParameter(hostile + [nil])
            let asParameter = try await connection.query("SELECT unnest($1::text[])", [parameter])
            #expect(bytes(asParameter.map { $0[0] }) == bytes(hostile + [nil]))
            await connection.close()
        }
    }

    private func bytes(_ texts: [String?]) -> [[UInt8]?] { texts.map { $0.map { Array($0.utf8) } } }
}
