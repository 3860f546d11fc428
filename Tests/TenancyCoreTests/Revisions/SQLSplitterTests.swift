import Foundation
import Revisions
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

        static func load() throws -> [Case] {
            try JSONDecoder().decode(Self.self, from: Fixtures.data("sql/split.json")).cases
        }
    }

    @Test("every recorded text is split as PostgreSQL's grammar splits it")
    func splitsAsRecorded() throws {
        let cases = try Vectors.load()
        #expect(cases.count == 300)
        for entry in cases {
            let texts = try SQLSplitter.split(entry.sql).map(\.text)
            #expect(texts == entry.statements, "\(entry.name)")
        }
    }

    @Test("statements joined again are split into the same statements")
    func splitsAgain() throws {
        for entry in try Vectors.load() {
            let joined = entry.statements.map { $0 + "\n;" }.joined(separator: " ")
            #expect(try SQLSplitter.split(joined).map(\.text) == entry.statements, "\(entry.name)")
        }
    }

    @Test("a statement knows its line, whatever ends the lines", arguments: ["\n", "\r\n", "\r"])
    func countsLines(lineEnd: String) throws {
        let lines = [
            "-- header", "", "SELECT 1;", "/* two", "lines */ SELECT $$a", "b$$; SELECT", "3",
            "-- after", ";", "SELECT 'x", "y';  SELECT 5",
        ]
        let statements = try SQLSplitter.split(lines.joined(separator: lineEnd), firstLine: 10)
        #expect(statements.map(\.line) == [12, 14, 15, 19, 20])
    }

    @Test("a place in a statement has its line, counted in Unicode scalars")
    func findsLines() throws {
        let statement = try SQLSplitter.split("\n\nSELECT '😀é',\r\n  x,\n  y")[0]
        let places = statement.text.unicodeScalars.enumerated()
        let x = try #require(places.first { $0.element == "x" }?.offset)
        let y = try #require(places.first { $0.element == "y" }?.offset)
        #expect(statement.line(ofCharacter: 1) == 3)
        #expect(statement.line(ofCharacter: x + 1) == 4)
        #expect(statement.line(ofCharacter: y + 1) == 5)
        #expect(statement.line(ofCharacter: 9_999) == 5)
    }

    @Test(
        "what only looks like an end is none",
        arguments: [
            "SELECT E'a\\'b;' 'c'",
            "SELECT E'a'\n  -- between; the parts\n  'b\\';c'",
            "SELECT 1 AS caseE'x;'",
            "SELECT $1, $$a;$$, $x1$;$x$;$x1$",
            "SELECT \"a\"\"b;\"",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; SELECT t.case FROM t; END",
            "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT (CASE WHEN true THEN 1 END); END",
            "SELECT '\u{00A0};', U&'\\0041;' UESCAPE '\\'",
            "/* a */ SELECT 1",
        ])
    func keepsTogether(sql: String) throws {
        #expect(try SQLSplitter.split(sql + ";").count == 1)
    }

    @Test(
        "what cannot be split is refused where the trouble begins",
        arguments: [
            ("SELECT 1;\nSELECT 'a;\nSELECT 2;", SQLSplitError.Reason.unclosedString, 2),
            ("SELECT E'a\\';\n", .unclosedString, 1),
            ("\nSELECT \"a;\n", .unclosedIdentifier, 2),
            ("DO $x$ begin\n end $y$;", .unclosedDollarQuote, 1),
            ("SELECT 1 /* a /* b */;\n", .unclosedComment, 1),
            ("SELECT (1;\nSELECT 2;", .unclosedParenthesis, 1),
            (
                "CREATE FUNCTION f() RETURNS int\nBEGIN ATOMIC\nSELECT 1;\nSELECT 2;",
                .unclosedAtomicBody, 2
            ),
            ("SELECT 1;\n\\i other.sql\n", .metaCommand, 2),
            ("COPY t (a, b)\nFROM STDIN;\n1\tO'Brien\n\\.\n", .copyFromStdin, 2),
            ("copy t from stdin with (format csv);", .copyFromStdin, 1),
            ("SELECT 1;\n\0", .nullByte, 2),
        ])
    func refuses(sql: String, reason: SQLSplitError.Reason, line: Int) {
        #expect(throws: SQLSplitError(reason: reason, line: line)) {
            try SQLSplitter.split(sql)
        }
    }

    @Test("whatever the text, it is split or refused", arguments: UInt64(1)...300)
    func endsAlways(seed: UInt64) throws {
        let parts = [
            "SELECT", " 1 ", ";", "'", "\"", "$$", "$a$", "$1", "E'", "\\", "--", "\n", "\r", "/*",
            "*/", "(", ")", "BEGIN ATOMIC", "END", "CASE", "CREATE FUNCTION f()", " AS ", ".", "é",
        ]
        var random = SeededGenerator(seed: seed)
        let count = Int.random(in: 0...40, using: &random)
        let text = (0..<count).map { _ in parts.randomElement(using: &random) ?? "" }.joined()
        guard let statements = try? SQLSplitter.split(text) else { return }
        let joined = statements.map { $0.text + "\n;" }.joined(separator: "\n")
        #expect(try SQLSplitter.split(joined).map(\.text) == statements.map(\.text), "seed \(seed)")
        for statement in statements { #expect(text.contains(statement.text), "seed \(seed)") }
    }

    @Test("COPY of a file or to a client is a statement like others")
    func copiesFiles() throws {
        let sql = "COPY t FROM '/srv/a.csv'; COPY (SELECT x FROM stdin) TO STDOUT;"
        #expect(try SQLSplitter.split(sql).count == 2)
    }

    @Test("every reason says what to do")
    func explains() {
        for reason in SQLSplitError.Reason.allCases {
            let text = SQLSplitError(reason: reason, line: 7).description
            #expect(text.hasPrefix("line 7: ") && text.count > 30)
        }
    }
}
