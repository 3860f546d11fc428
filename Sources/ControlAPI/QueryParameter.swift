internal import HTTPLite
internal import Tenants

/// A query parameter that a call takes: what the reader checks and what the API's description says.
struct QueryParameter: Sendable {
    enum Kind: Sendable {
        /// A text of so many characters.
        case text(length: ClosedRange<Int>)
        case integer(ClosedRange<Int>)
        case flag
        /// One of the words.
        case word([String])
        /// Some of the words, separated by commas.
        case words([String])
        /// Texts separated by commas.
        case texts
        /// A pattern for identifiers.
        case glob
    }

    let name: String
    let kind: Kind
    let summary: String

    static let limit = QueryParameter(
        name: "limit", kind: .integer(1...1_000), summary: "Items per page; 100 by default.")
    static let cursor = QueryParameter(
        name: "cursor", kind: .text(length: 1...2_000),
        summary: "The `next_cursor` of the previous page, with the same filters.")

    /// What is wrong with a value, read after the parameter's name; nil when it is right.
    func complaint(about value: String) -> String? {
        switch kind {
        case .text(let length):
            if value.utf8.contains(0) { return "must not contain the character U+0000" }
            let (least, most) = (length.lowerBound, length.upperBound)
            return length.contains(value.unicodeScalars.count)
                ? nil : "must have \(least) to \(most) characters"
        case .integer(let range):
            let bounds = "must be an integer between \(range.lowerBound) and \(range.upperBound)"
            guard let number = Self.integer(value), range.contains(number) else { return bounds }
            return nil
        case .flag:
            return ["true", "false"].contains(value) ? nil : "must be true or false"
        case .word(let words):
            return words.contains(value) ? nil : "must be one of \(words.joined(separator: ", "))"
        case .words(let words):
            let expected = "must be a comma-separated list of \(words.joined(separator: ", "))"
            return Self.isList(value, words.contains) ? nil : expected
        case .texts:
            let isRight = Self.isList(value) {
                (1...255).contains($0.unicodeScalars.count) && !$0.utf8.contains(0)
            }
            return isRight ? nil : "must be a comma-separated list of words of 1 to 255 characters"
        case .glob:
            do throws(GlobError) {
                _ = try Glob(value)
                return nil
            } catch {
                return error.description
            }
        }
    }

    /// Items of a list in one parameter.
    static let itemCount = 1...20

    private static func isList(_ value: String, _ isItem: (String) -> Bool) -> Bool {
        let parts = parts(value)
        return itemCount.contains(parts.count) && parts.allSatisfy(isItem)
    }

    static func parts(_ value: String) -> [String] {
        value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    /// Digits only: `Int` alone would take a sign as well.
    static func integer(_ value: String) -> Int? {
        value.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            ? Int(value) : nil
    }
}

/// The checked query of a request.
struct QueryValues: Sendable {
    private var values: [String: String] = [:]

    init() {}

    /// Holds a query against the parameters of a call; `issues` gets a line for each parameter that
    /// is unknown, repeated or wrong.
    init(_ query: HTTPQuery, _ declared: [QueryParameter], issues: inout [Problem.Item]) {
        for pair in query.pairs {
            let (name, value) = (pair.name, pair.value)
            let complaint: String?
            if let parameter = declared.first(where: { $0.name == name }) {
                complaint =
                    values[name] == nil ? parameter.complaint(about: value) : "stands twice"
            } else {
                complaint = "is not a parameter of this call"
            }
            values[name] = value
            if let complaint { issues.append(.init(pointer: "?\(name)", detail: complaint)) }
        }
    }

    func text(_ parameter: QueryParameter) -> String? { values[parameter.name] }

    func integer(_ parameter: QueryParameter) -> Int? {
        values[parameter.name].flatMap(QueryParameter.integer)
    }

    func flag(_ parameter: QueryParameter) -> Bool? { values[parameter.name].map { $0 == "true" } }

    func list(_ parameter: QueryParameter) -> [String]? {
        values[parameter.name].map(QueryParameter.parts)
    }

    func glob(_ parameter: QueryParameter) -> Glob? {
        values[parameter.name].flatMap { text in
            do throws(GlobError) {
                return try Glob(text)
            } catch {
                // It has been held against the same rules.
                return nil
            }
        }
    }

    /// Items of a page.
    var limit: Int { integer(.limit) ?? 100 }

    /// All parameters but the page's own, as one text: what a cursor is bound to.
    var filter: String {
        values.filter { $0.key != "limit" && $0.key != "cursor" }
            .sorted { $0.key < $1.key }
            .map { "\($0.key)=\($0.value)" }
            .joined(separator: "&")
    }
}
