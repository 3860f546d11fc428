/// The `Prefer` field (RFC 7240), of which the API knows `wait`.
enum Preference {
    /// The longest wait that is granted, in seconds.
    static let longestWait = 300

    /// Seconds that the caller is ready to wait, at most `longestWait`; nil when it does not say.
    /// What cannot be understood is ignored, as RFC 7240, section 2, demands; the first one counts.
    static func wait(_ values: [String]) -> Int? {
        for preference in values.flatMap({ $0.split(separator: ",") }) {
            let parts =
                preference.split(separator: ";").first?
                .split(separator: "=", maxSplits: 1).map { MediaType.trimmed($0) } ?? []
            guard parts.count == 2, parts[0].lowercased() == "wait" else { continue }
            let digits = parts[1].filter { $0 != "\"" }
            return QueryParameter.integer(digits).map { min($0, longestWait) }
        }
        return nil
    }
}
