/// The tokens of a statement without its comments: words in lower case, punctuation and strings as
/// they are, quoted identifiers without their quotes.
struct StatementWords {
    let all: [String]
    /// The same tokens as they are written, quotes included.
    let sources: [String]

    init(_ text: String) {
        var lexer = SQLLexer(text)
        var words: [String] = []
        var sources: [String] = []
        // A statement from the splitter has no lexical error, so the end is all that stops this.
        while let token = try? lexer.next() {
            switch token.kind {
            case .lineComment, .blockComment: continue
            default: sources.append(lexer.text(token.range))
            }
            switch token.kind {
            case .quotedIdentifier: words.append(lexer.text(token.range.dropFirst().dropLast()))
            case .string: words.append(lexer.text(token.range.prefix(64)))
            default: words.append(lexer.text(token.range).lowercased())
            }
            if words.count == 1, !Self.decisive.contains(words[0]) { break }
        }
        all = words
        self.sources = sources
    }

    /// First words of statements that can have a trait; of others nothing more is read.
    private static let decisive: Set<String> = [
        "begin", "commit", "end", "abort", "start", "prepare", "rollback", "set", "reset",
        "select", "vacuum", "alter", "discard", "create", "drop", "reindex", "cluster",
        "call", "do",
    ]

    subscript(index: Int) -> String { index < all.count ? all[index] : "" }

    /// The place behind the given words, which are looked for one behind the other from `start` on;
    /// those in brackets may be missing.
    func place(after phrase: [String], from start: Int = 0) -> Int? {
        var place = start
        for word in phrase {
            if word.hasPrefix("[") {
                let optional = word.dropFirst().dropLast().split(separator: " ").map(String.init)
                if zip(optional, all.dropFirst(place)).allSatisfy({ $0 == $1 }),
                    all.count >= place + optional.count
                {
                    place += optional.count
                }
            } else {
                guard self[place] == word else { return nil }
                place += 1
            }
        }
        return place
    }

    /// The name at a place as SQL, with what qualifies it, and the place behind it.
    func name(at place: Int) -> (sql: String, end: Int)? {
        guard place < sources.count else { return nil }
        var (sql, end) = (sources[place], place + 1)
        while self[end] == ".", end + 1 < sources.count {
            sql += "." + sources[end + 1]
            end += 2
        }
        return (sql, end)
    }

    func contains(_ first: String, _ second: String) -> Bool {
        zip(all, all.dropFirst()).contains { $0 == (first, second) }
    }

    /// Whether an option is given as `name = false`, `name false` or `name off`.
    func isOff(_ name: String) -> Bool {
        guard let place = all.firstIndex(of: name) else { return false }
        let value = self[place + 1] == "=" ? self[place + 2] : self[place + 1]
        return ["false", "off", "0", "'false'", "'off'"].contains(value.lowercased())
    }

    /// The words from an index on, without an option list in parentheses at its beginning.
    func withoutOptions(from index: Int) -> ArraySlice<String> {
        let rest = all.dropFirst(index)
        guard rest.first == "(" else { return rest }
        return rest.drop { $0 != ")" }.dropFirst()
    }

    /// The setting that SET or RESET names.
    var settingName: String {
        var rest = all.dropFirst()
        if rest.first == "session", rest.dropFirst().first == "authorization" {
            return "session authorization"
        }
        if rest.first == "session" { rest = rest.dropFirst() }
        switch rest.first {
        case "schema": return "search_path"
        case "time": return "timezone"
        case "names": return "client_encoding"
        case let name?: return name.lowercased()
        case nil: return ""
        }
    }

    /// How many of the first words name a command that runs outside a transaction.
    var outsideLength: Int {
        switch self[0] {
        case "vacuum", "cluster", "reindex": 1
        case "create" where self[2] == "index": 4
        case "create" where self[2] == "concurrently", "drop" where self[2] == "concurrently": 3
        default: 2
        }
    }

    func shown(_ count: Int) -> String {
        all.prefix(count).joined(separator: " ").uppercased()
    }
}
