/// Entity tags (RFC 9110, section 8.8.3). They are weak: a running job's rate and remaining time
/// are computed for every answer.
struct EntityTag: Sendable, Equatable {
    /// The opaque part, without quotes.
    let value: String

    /// The field's value.
    var text: String { "W/\"\(value)\"" }

    /// Whether an If-None-Match field names this tag (RFC 9110, section 13.1.2: weak comparison).
    func matches(ifNoneMatch values: [String]) -> Bool {
        let own = ["*", text, "\"\(value)\""]
        return values.contains { field in
            field.split(separator: ",").contains { own.contains(MediaType.trimmed($0)) }
        }
    }
}
