internal import Support

/// Why a text does not say how to reach a PostgreSQL database. No case carries a part of the text
/// that could belong to a password.
package enum ConnectionStringError: Error, Sendable, Equatable {
    /// Neither `scheme://...` nor `keyword=value ...`.
    case notAConnectionString
    /// A URL of another database, such as `mysql` or `sqlite+aiosqlite`.
    case notPostgres(scheme: String)
    /// The escapes stand for bytes that are not UTF-8, or for U+0000.
    case notText
    /// An `@` in the host, the database or a keyword: it belongs to the password or the user.
    case strayAt
    /// A port that is no number from 1 to 65535.
    case badPort
    /// Several hosts with another number of ports.
    case hostsAndPortsDiffer(hosts: Int, ports: Int)
    /// A keyword that neither that libpq nor a Python driver has. Its name is nil where it could be
    /// part of a password.
    case unknownKeyword(String?, libPQ: LibPQ = .linked)
    /// A keyword of a libpq that is newer than that one.
    case newerKeyword(String, major: Int, libPQ: LibPQ = .linked)
    /// A keyword that libpq has and that one was built without.
    case keywordLeftOut(String, libPQ: LibPQ = .linked)
    /// A keyword that makes another kind of session, such as `replication`.
    case sessionKeyword(String)
    /// A value that a keyword cannot have.
    case badValue(keyword: String, expected: String)
    /// A quote that is not closed, or a word without `=`, in `keyword=value` form.
    case malformedPairs
}

extension ConnectionStringError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notAConnectionString:
            "is not a connection string: write postgresql://user:password@host:5432/database"
        case .notPostgres(let scheme):
            "names a \(scheme) database; it must be postgresql here"
        case .notText:
            "has percent escapes that are not UTF-8 text"
        case .strayAt:
            "has an @ where none can stand"
                + " (write @ : / ? # in a user or password as %40 %3A %2F %3F %23)"
        case .badPort:
            "has a port that is not a number from 1 to 65535"
                + " (write : / ? # in a user or password as %3A %2F %3F %23)"
        case .hostsAndPortsDiffer(let hosts, let ports):
            "names \(hosts) hosts but \(ports) ports"
        case .unknownKeyword(let name?, let libPQ):
            "has the keyword \"\(name)\", which neither libpq \(libPQ.name) nor a Python driver "
                + "knows"
                + EditDistance.suffix(
                    for: name, among: libPQ.keywords.union(PythonDriver.keywords).sorted())
        case .unknownKeyword(nil, let libPQ):
            "has a keyword that neither libpq \(libPQ.name) nor a Python driver knows"
        case .newerKeyword(let name, let major, let libPQ):
            "has the keyword \"\(name)\", which needs libpq \(major); linked is \(libPQ.name)"
        case .keywordLeftOut(let name, let libPQ):
            "has the keyword \"\(name)\", which libpq \(libPQ.name) was built without here"
        case .sessionKeyword(let name):
            "has the keyword \"\(name)\", which makes a session that cannot migrate; leave it out"
        case .badValue(let keyword, let expected):
            "has a value for \(keyword) that is not \(expected)"
        case .malformedPairs:
            "is not a list of keyword=value pairs: quote values with spaces as 'two words'"
        }
    }
}

/// Reads the ways of writing where a database is.
package enum ConnectionString {
    /// Reads a URL as SQLAlchemy or libpq take it
    /// (`postgresql+asyncpg://user:p%40ss@host/db?ssl=require`), or libpq's `keyword=value` form.
    package static func parse(
        _ secret: Secret, libPQ: LibPQ = .linked
    ) throws(ConnectionStringError) -> ConnectionParameters {
        let bytes = Array(secret.reveal().utf8)
        guard !bytes.contains(0) else { throw .notText }
        if let scheme = scheme(of: bytes) {
            let dialect = scheme.prefix { $0 != "+" }
            guard dialect == "postgresql" || dialect == "postgres" else {
                throw .notPostgres(scheme: scheme)
            }
            var url = ConnectionURL(bytes.dropFirst(scheme.utf8.count + 3))
            let query = bytes.drop { $0 != UInt8(ascii: "?") }
            var reader = ConnectionPairs(
                libPQ: libPQ,
                followsSecret: String(decoding: query, as: UTF8.self).contains("password="))
            return try reader.parameters(try url.parse(), driver: scheme)
        }
        guard bytes.contains(UInt8(ascii: "=")) else { throw .notAConnectionString }
        var pairs = ConninfoPairs(bytes)
        var reader = ConnectionPairs(libPQ: libPQ)
        return try reader.parameters(try pairs.parse())
    }

    /// The same, and the URL of any other database that SQLAlchemy may know.
    package static func parseAny(_ secret: Secret) throws(ConnectionStringError)
        -> ConnectionParameters
    {
        do throws(ConnectionStringError) {
            return try parse(secret)
        } catch .notPostgres(let scheme) {
            return ConnectionParameters(foreign: try ForeignURL(secret, scheme: scheme))
        }
    }

    /// What stands before `://`, in lower case (RFC 3986 section 3.1); nil for another text.
    private static func scheme(of bytes: [UInt8]) -> String? {
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            bytes[colon...].starts(with: "://".utf8),
            bytes[0].isASCIILetter,
            bytes[..<colon].allSatisfy({
                $0.isASCIILetter || $0.isASCIIDigit || "+-._".utf8.contains($0)
            })
        else { return nil }
        return String(decoding: bytes[..<colon], as: UTF8.self).lowercased()
    }
}
