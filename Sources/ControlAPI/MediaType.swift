/// A media type that the API writes or reads.
package struct MediaType: Sendable, Equatable {
    let type: String
    let subtype: String

    var text: String { "\(type)/\(subtype)" }

    package static let json = MediaType(type: "application", subtype: "json")
    static let ndjson = MediaType(type: "application", subtype: "x-ndjson")
    static let eventStream = MediaType(type: "text", subtype: "event-stream")
    package static let metrics = MediaType(type: "text", subtype: "plain")
    static let problem = MediaType(type: "application", subtype: "problem+json")

    /// Whether a Content-Type says JSON in UTF-8. RFC 8259, section 11, defines no parameter, but
    /// many clients send the charset.
    static func isJSON(_ contentType: String) -> Bool {
        let parts = contentType.split(separator: ";").map { trimmed($0).lowercased() }
        guard parts.first == json.text else { return false }
        return parts.dropFirst().allSatisfy {
            $0.isEmpty || $0 == "charset=utf-8" || $0 == "charset=\"utf-8\""
        }
    }

    /// Text without the spaces and tabs around it (RFC 9110, section 5.6.3).
    package static func trimmed(_ text: some StringProtocol) -> String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        var rest = Substring(text).drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return String(rest)
    }
}

/// What an Accept field asks for (RFC 9110, section 12.5.1).
struct Acceptance: Sendable {
    private struct Range {
        let type: String
        let subtype: String
        let weight: Double

        /// How closely this range speaks of `offer`; nil when it does not.
        func precedence(for offer: MediaType) -> Int? {
            if type == "*" { return 0 }
            guard type == offer.type else { return nil }
            if subtype == "*" { return 1 }
            return subtype == offer.subtype ? 2 : nil
        }
    }

    private let ranges: [Range]

    /// Reads the field's values; without any, everything is accepted.
    init(_ values: [String]) {
        ranges = values.flatMap { $0.split(separator: ",") }.compactMap(Self.range)
    }

    /// The offer with the highest weight, the first of several; nil when none is wanted.
    func choose(among offers: [MediaType]) -> MediaType? {
        if ranges.isEmpty { return offers.first }
        var best: (offer: MediaType, weight: Double)?
        for offer in offers {
            let weight = weight(of: offer)
            if weight > best?.weight ?? 0 { best = (offer, weight) }
        }
        return best?.offer
    }

    /// The weight of the range that speaks of the offer most closely.
    private func weight(of offer: MediaType) -> Double {
        let fitting = ranges.compactMap { range in
            range.precedence(for: offer).map { (precedence: $0, weight: range.weight) }
        }
        return fitting.max { $0.precedence < $1.precedence }?.weight ?? 0
    }

    private static func range(_ text: Substring) -> Range? {
        let parts = text.split(separator: ";").map { MediaType.trimmed($0).lowercased() }
        let names = parts.first?.split(separator: "/", omittingEmptySubsequences: false) ?? []
        guard names.count == 2, !names[0].isEmpty, !names[1].isEmpty else { return nil }
        let weight = parts.dropFirst().first { $0.hasPrefix("q=") }
            .flatMap { Double($0.dropFirst(2)) }
        return Range(
            type: String(names[0]), subtype: String(names[1]),
            weight: min(max(weight ?? 1, 0), 1))
    }
}
