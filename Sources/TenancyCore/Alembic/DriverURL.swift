/// A target's database as SQLAlchemy is told of it.
extension ConnectionParameters {
    /// `postgresql+driver://user:password@host:port/database?...`, secrets included.
    var driverURL: String {
        if let foreign { return foreign.url.reveal() }
        var values = Dictionary(
            uniqueKeysWithValues: keywordValues.map { ($0.keyword, $0.value) })
        func take(_ keyword: String) -> String { values.removeValue(forKey: keyword) ?? "" }
        var url = "\(driver ?? "postgresql")://"
        let (user, password) = (take("user"), take("password"))
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
        url += "/" + PercentEncoding.encode(take("dbname"))
        if driver?.hasSuffix("+asyncpg") == true, let mode = values.removeValue(forKey: "sslmode") {
            values["ssl"] = mode
        }
        if let own = PythonDriver(scheme: driver) {
            for (keyword, value) in driverValues where own.takes(keyword) {
                values[keyword] = value.reveal()
            }
        }
        let query = values.sorted { $0.key < $1.key }
            .map { "\($0.key)=\(PercentEncoding.encode($0.value))" }
        return query.isEmpty ? url : url + "?" + query.joined(separator: "&")
    }

    /// `text` without the password, in either way of writing it.
    func scrubbed(_ text: String) -> String {
        if let foreign { return foreign.scrubbed(text) }
        guard let password = keywordValues.first(where: { $0.keyword == "password" })?.value,
            !password.isEmpty
        else { return text }
        return text.replacing(password, with: "***")
            .replacing(PercentEncoding.encode(password), with: "***")
    }
}
