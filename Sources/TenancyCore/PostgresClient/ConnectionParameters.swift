internal import Support

/// How to reach one database: libpq's keywords and their values (PostgreSQL manual, "Parameter Key
/// Words"), or the URL of a database that is not PostgreSQL, which only SQLAlchemy can reach.
///
/// Equal parameters reach the same database in the same way. Nothing but `keywordValues` shows a
/// password.
package struct ConnectionParameters: Sendable, Hashable {
    private let values: [String: Secret]

    /// What the text says to a Python driver alone: it is handed to workers, means nothing to
    /// libpq, and does not count when parameters are compared.
    package let driverValues: [String: Secret]

    /// SQLAlchemy's name of dialect and driver, such as `postgresql+asyncpg`, where a URL gave it;
    /// it does not count when parameters are compared.
    package let driver: String?

    /// The URL of a database that is not PostgreSQL.
    package let foreign: ForeignURL?

    /// Values by keyword; empty ones stand for libpq's defaults and are left out.
    init(
        _ values: [String: String], driverValues: [String: Secret] = [:], driver: String? = nil
    ) {
        self.values = values.filter { !$0.value.isEmpty }.mapValues { Secret($0) }
        self.driverValues = driverValues
        self.driver = driver
        foreign = nil
    }

    init(foreign: ForeignURL) {
        values = [:]
        driverValues = [:]
        driver = nil
        self.foreign = foreign
    }

    /// Whether libpq can reach it.
    package var isPostgres: Bool { foreign == nil }

    /// The pairs for `PQconnectStartParams`, in a fixed order, secrets included.
    package var keywordValues: [(keyword: String, value: String)] {
        keywords.map { ($0, text($0) ?? "") }
    }

    /// The same with another value for a keyword.
    package func setting(_ keyword: String, to value: String) -> ConnectionParameters {
        var texts = values.mapValues { $0.reveal() }
        texts[keyword] = value
        return ConnectionParameters(texts, driverValues: driverValues, driver: driver)
    }

    /// A keyword's value; nil when libpq's default holds, and always for a secret keyword.
    package subscript(keyword: String) -> String? {
        ConnectionKeyword.isSecret(keyword) ? nil : text(keyword)
    }

    /// The server as `host:port`, one way of writing for one server: what connections are counted
    /// by. Several hosts are joined by commas; `[local]` is the default Unix socket, and a service
    /// leads where its file says.
    package var serverKey: String {
        if let foreign { return foreign.server }
        let named = text("host") ?? text("hostaddr")
        if named == nil, let service = text("service") { return "service \(service)" }
        let hosts = split(named ?? "")
        let ports = split(text("port") ?? "")
        return hosts.enumerated().map { index, host in
            let given = ports.count == 1 ? ports[0] : index < ports.count ? ports[index] : ""
            let port = given.isEmpty ? "5432" : given
            if host.isEmpty { return "[local]:\(port)" }
            let name = host.hasPrefix("/") ? host : host.lowercased()
            return name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)"
        }.joined(separator: ",")
    }

    /// The database's name. Without one libpq takes the user's.
    package var database: String { foreign?.database ?? text("dbname") ?? text("user") ?? "" }

    /// Server, database and user: what connections can be shared by.
    package var databaseKey: String {
        foreign?.key ?? "\(text("user") ?? "")@\(serverKey)/\(database)"
    }

    private var keywords: [String] {
        values.keys.sorted(by: ConnectionKeyword.areInOrder)
    }

    private func text(_ keyword: String) -> String? { values[keyword]?.reveal() }

    private func split(_ list: String) -> [String] {
        list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    package static func == (lhs: ConnectionParameters, rhs: ConnectionParameters) -> Bool {
        lhs.values == rhs.values && lhs.foreign == rhs.foreign
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(values)
        hasher.combine(foreign)
    }
}

extension ConnectionParameters: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The keywords that say where the database is, without any secret.
    package var description: String {
        if let foreign { return "\(foreign.server) \(foreign.database)" }
        return ["host", "port", "dbname", "user", "sslmode"].compactMap { keyword in
            text(keyword).map { "\(keyword)=\($0)" }
        }.joined(separator: " ")
    }

    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, unlabeledChildren: [description]) }
}

extension ConnectionParameters {
    /// `text` without the password, in either way of writing it.
    package func scrubbed(_ text: String) -> String {
        if let foreign { return foreign.scrubbed(text) }
        guard let password = keywordValues.first(where: { $0.keyword == "password" })?.value,
            !password.isEmpty
        else { return text }
        return text.replacing(password, with: "***")
            .replacing(PercentEncoding.encode(password), with: "***")
    }
}
