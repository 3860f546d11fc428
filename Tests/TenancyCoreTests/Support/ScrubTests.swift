import ChildProcesses
import TestSupport
import Testing

@testable import Support

struct ScrubTests {
    @Test(
        "a password in a URL goes, the rest stays",
        arguments: [
            ("postgresql://ann:s3cret@db/shop", "postgresql://ann:***@db/shop"),
            (
                "at postgres+asyncpg://ann:s%40c@db:5432/x, then",
                "at postgres+asyncpg://ann:***@db:5432/x, then"
            ),
            ("'mysql://ann:pa@ss@db/x'", "'mysql://ann:***@db/x'"),
            ("postgresql://ann:pa/ss?a#b@db/x", "postgresql://ann:***@db/x"),
            ("postgresql://ann:my pass@db/x\nnext", "postgresql://ann:***@db/x\nnext"),
            ("postgresql://ann:it's@db/x", "postgresql://ann:***@db/x"),
            ("postgresql://ann:12@[::1]:5432/x", "postgresql://ann:***@[::1]:5432/x"),
            ("postgresql://:only@db/x", "postgresql://:***@db/x"),
            ("cut off: postgresql://ann:s3cr", "cut off: postgresql://ann:***"),
            (
                "a postgresql://a:b@c/d and mysql://e:f@g/h",
                "a postgresql://a:***@c/d and mysql://e:***@g/h"
            ),
            ("postgresql://é:pässword@db/ü", "postgresql://é:***@db/ü"),
        ])
    func urls(text: String, clean: String) {
        #expect(scrub(text) == clean)
    }

    @Test(
        "a password beside its name goes",
        arguments: [
            ("host=db password=s3cret user=ann", "host=db password=*** user=ann"),
            ("password = 's3 c\\'ret' host=db", "password = '***' host=db"),
            ("sslpassword=a&b", "sslpassword=***"),
            ("postgresql://db/x?password=s3cret", "postgresql://db/x?password=***"),
            (#"{"user": "ann", "password": "s3\"cret"}"#, #"{"user": "ann", "password": "***"}"#),
            ("connect(password='s3cret', host='db')", "connect(password='***', host='db')"),
            ("PGPASSWORD=s3cret psql", "PGPASSWORD=*** psql"),
            ("ALTER ROLE ann PASSWORD 'it''s';", "ALTER ROLE ann PASSWORD '***';"),
            ("password='never closed", "password='***"),
            ("pwd=s3cret", "pwd=***"),
        ])
    func values(text: String, clean: String) {
        #expect(scrub(text) == clean)
    }

    @Test(
        "what holds no password stays as it is",
        arguments: [
            "", "no URL at all", "http://localhost:8080/v1/jobs", "http://[::1]:8080/v1",
            "postgresql://db1:5432,db2:5433/shop", "postgresql://ann@db/shop", "sqlite:///C:/x.db",
            "see https://example.org/a:b", "listening on http://127.0.0.1:8080", "file://", "://:@",
            "password authentication failed for user \"ann\"",
            "column \"password\" of relation \"users\" does not exist", "password=", "the password",
            "CREATE TABLE users (password text)",
        ])
    func untouched(text: String) {
        #expect(scrub(text) == text)
    }

    @Test(
        "a text is cut when its passwords are out, wherever the cut is",
        arguments: [
            ("at postgresql://ann:54321s3cret@db/shop", "at postgresql://ann:***@db/shop"),
            ("ALTER ROLE ann PASSWORD 's3cret' VALID", "ALTER ROLE ann PASSWORD '***' VALID"),
            ("password=12345 host=db", "password=*** host=db"),
        ])
    func cut(text: String, clean: String) {
        for limit in 0...text.count {
            #expect(scrub(text, limit: limit) == String(clean.prefix(limit)))
        }
    }

    @Test("no end of a text shows a piece of a password, wherever it is cut")
    func tails() {
        let lines = ["starting", "at postgresql://ann:F1RST2@db/x with", "host=db password=S3COND"]
        for text in [lines.joined(separator: "\n"), lines[1], lines[2]] {
            let bytes = Array(text.utf8)
            for count in 0...bytes.count {
                let tail = Array(bytes.suffix(count))
                let clean = scrub(FileTail.lines(tail, isCut: count < bytes.count))
                #expect(
                    ["F1RST2", "S3COND"].allSatisfy { !clean.contains($0.suffix(2)) }, "\(clean)")
            }
        }
    }

    @Test("any password is gone from a URL and from libpq's keywords, however it is written")
    func anyPassword() {
        var random = SeededRandom()
        let alphabet = Array("ab:/@?#%&='\"\\ é,;[](){}<>`")
        for _ in 0..<2_000 {
            let word = String((0..<6).compactMap { _ in alphabet.randomElement(using: &random) })
            let password = "S3CRET" + word + "T0KEN"
            let quoted = password.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
            for text in [
                "failed: postgresql://ann:\(PercentEncoding.encode(password))@db/x",
                "host=db password='\(quoted)' port=1",
            ] {
                let clean = scrub(text)
                #expect(!clean.contains("S3CRET") && !clean.contains("T0KEN"), "\(text) \(random)")
                #expect(scrub(clean) == clean)
            }
            // Not escaped: what a person or a program has put together by hand.
            let clean = scrub("postgresql://ann:\(password)@db/x")
            #expect(!clean.contains("S3CRET"), "\(password) \(random)")
        }
    }
}
