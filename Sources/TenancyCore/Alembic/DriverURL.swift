internal import PostgresClient
internal import Support

/// A target's database as SQLAlchemy is told of it.
extension ConnectionParameters {
    /// Keywords that a driver has no counterpart for.
    struct Untranslatable: Error, Equatable, CustomStringConvertible {
        let driver: PythonDriver
        let keywords: [String]

        var description: String {
            "the URL has \(keywords.joined(separator: ", ")), for which \(driver.rawValue), the "
                + "driver of the project's env.py, has no counterpart"
        }
    }

    /// `postgresql+driver://user:password@host:port/database?...` for a driver that the project
    /// works with, secrets included.
    func driverURL(for drivers: ProjectDrivers = ProjectDrivers()) throws(Untranslatable)
        -> String
    {
        if let foreign { return foreign.url.reveal() }
        var values = Dictionary(
            uniqueKeysWithValues: keywordValues.map { ($0.keyword, $0.value) })
        func take(_ keyword: String) -> String { values.removeValue(forKey: keyword) ?? "" }
        let scheme = drivers.scheme(for: driver)
        let (user, password, database) = (take("user"), take("password"), take("dbname"))
        fillPorts(&values)
        if let driver = drivers.driver(of: scheme) {
            let query = DriverQuery(
                values, own: driverValues.mapValues { $0.reveal() }, for: driver)
            guard query.missing.isEmpty else {
                throw Untranslatable(driver: driver, keywords: query.missing)
            }
            values = query.values
        }
        var url = "\(scheme ?? "postgresql")://"
        if !user.isEmpty {
            url += PercentEncoding.encode(user)
            if !password.isEmpty { url += ":" + PercentEncoding.encode(password) }
            url += "@"
        }
        // Several hosts, and a socket's folder, can only stand in the query.
        let host = values["host"] ?? ""
        if !host.isEmpty, !host.contains(","), !host.hasPrefix("/") {
            url += host.contains(":") ? "[\(take("host"))]" : take("host")
            let port = take("port")
            if !port.isEmpty { url += ":\(port)" }
        }
        url += "/" + PercentEncoding.encode(database)
        let query = values.sorted { $0.key < $1.key }
            .map { "\($0.key)=\(PercentEncoding.encode($0.value))" }
        return query.isEmpty ? url : url + "?" + query.joined(separator: "&")
    }

    /// SQLAlchemy wants a port for each of several hosts.
    private func fillPorts(_ values: inout [String: String]) {
        let hosts = (values["host"] ?? "").split(separator: ",", omittingEmptySubsequences: false)
        guard hosts.count > 1 else { return }
        let ports = (values["port"] ?? "").split(separator: ",", omittingEmptySubsequences: false)
        values["port"] = hosts.indices.map { index in
            let port = ports.count == 1 ? ports[0] : ports[index]
            return port.isEmpty ? "5432" : String(port)
        }.joined(separator: ",")
    }
}
