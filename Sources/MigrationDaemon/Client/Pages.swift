internal import Support

/// A list of the API, page by page.
struct Pages {
    let client: PersistentClient
    /// The list's path without its query.
    let path: String
    let query: [String: String?]
    /// At most this many items; `nil` for all.
    var limit: Int?

    /// The most that the API gives at once.
    private static let largestPage = 1_000

    /// Hands out the items of each page in turn, one page at least.
    func each(_ body: ([JSONValue]) throws -> Void) async throws {
        var left = limit ?? .max
        var cursor: String?
        repeat {
            var query = query
            query["limit"] = "\(min(left, Self.largestPage))"
            query["cursor"] = cursor
            let page = try await client.send("GET", path + Query(query).text)
            let items = page["items"]?.arrayValue ?? []
            try body(items)
            left -= items.count
            cursor = page["next_cursor"]?.stringValue
        } while cursor != nil && left > 0
    }

    /// Prints all of it: as one list in JSON, or as a table.
    func show(_ options: ClientOptions, _ columns: [TableColumn]) async throws {
        if options.json {
            var items: [JSONValue] = []
            try await each { items += $0 }
            return StandardStream.output.write(
                json: ["items": .array(items), "next_cursor": nil])
        }
        var table = TextTable(columns)
        try await each { StandardStream.output.write(lines: table.lines($0)) }
    }
}

/// A query without the members that are not set, in the order of their names.
struct Query {
    let text: String

    init(_ members: [String: String?]) {
        let pairs = members.sorted { $0.key < $1.key }.compactMap { name, value in
            value.map { "\(name)=\(APIClient.escaped($0))" }
        }
        text = pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
    }
}
