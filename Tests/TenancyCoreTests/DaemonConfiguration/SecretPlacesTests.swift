import Testing

@testable import PostgresClient
@testable import Support
@testable import Tenants

/// Passwords with every character that means something in a URL, escaped and not, in every place:
/// whatever is made of the text, no part of them is shown.
@Suite struct SecretPlacesTests {
    private static let special = ["@", ":", "/", "?", "#", "%", "[", "]", "&", "=", "'", " ", "\\"]

    /// Two special characters, or one of them, between parts that nothing else holds.
    private static let passwords: [String] = special.flatMap { first in
        ([""] + special).flatMap { second in
            ["QZXJ\(first)\(second)WVKY", "1793\(first)\(second)2846", "\(first)QZXJ\(second)WVKY"]
        }
    }

    private static let marks = ["QZXJ", "WVKY", "1793", "2846"]

    private static let places: [(String, isEscapable: Bool)] = [
        ("postgresql+asyncpg://u:*@h:5432/db?sslmode=require", true),
        ("postgresql://u:*@h", true), ("postgresql://u:*@[::1]:5432/db", true),
        ("postgresql://u:*@h1,h2/db", true), ("postgresql://:*@h/db", true),
        ("postgresql://h/db?user=u&password=*", true),
        ("postgresql://h/db?password=*&sslmode=disable", true),
        ("postgresql://h/db?sslpassword=*&sslmode=require", true),
        ("postgresql+asyncpg://u:*@h/db?server_settings={}&timeout=5", true),
        ("host=h password=* dbname=db", false), ("host=h password='*' dbname=db", false),
        ("mysql+aiomysql://u:*@h:3306/db?charset=utf8", true), ("sqlite+x://:*@/f.db", true),
    ]

    @Test("no error and no description shows four characters of a password", arguments: places)
    func unshown(place: String, isEscapable: Bool) {
        for password in Self.passwords {
            for written in [password, PercentEncoding.encode(password)] {
                let text = place.replacing("*", with: written)
                let shown = said(of: text)
                for mark in Self.marks {
                    #expect(!shown.contains(mark), "\(text) gives \(shown)")
                }
            }
        }
    }

    @Test("a password that is escaped arrives as it is", arguments: places.filter(\.isEscapable))
    func whole(place: String, isEscapable: Bool) throws {
        for password in Self.passwords {
            let text = place.replacing("*", with: PercentEncoding.encode(password))
            let parameters = try ConnectionString.parseAny(Secret(text))
            let pair = parameters.keywordValues.first { $0.keyword.hasSuffix("password") }
            if parameters.isPostgres { #expect(pair?.value == password) }
        }
    }

    /// All that is ever shown of a connection string.
    private func said(of text: String) -> String {
        var texts: [String] = []
        do throws(ConnectionStringError) {
            let parameters = try ConnectionString.parseAny(Secret(text))
            let names = [parameters["host"], parameters["port"], parameters["user"]]
            texts = ["\(parameters)", parameters.serverKey, parameters.database]
            texts +=
                names.compactMap(\.self) + parameters.driverValues.map { "\($0.key) \($0.value)" }
            // A foreign URL's key ends with a digest, which is no part of it.
            if parameters.isPostgres { texts.append(parameters.databaseKey) }
        } catch {
            texts = ["\(error)"]
        }
        do throws(TemplateError) {
            _ = try DatabaseURLTemplate(Secret(text))
        } catch {
            texts.append("\(error)")
        }
        return texts.joined(separator: "\n")
    }
}
