/// Whether a member may be left out or be null.
package enum Presence: Sendable {
    /// It must be there, and not be null.
    case required
    /// It may be left out, but not be null.
    case optional
    /// It may be left out or be null, which mean the same.
    case nullable
}

/// Reads a JSON object member by member and collects everything that is wrong with it.
///
/// A method that finds a member missing or wrong answers nil, so the reader continues and reports
/// the next problem as well. Members that no method asked for are unknown, and reported last.
package struct ObjectReader {
    /// What is wrong so far. Beyond `issueLimit` it is only counted: nobody reads that far, and a
    /// hostile text could ask for an answer larger than itself.
    package private(set) var issues: [FieldIssue] = []
    private var omitted = 0
    /// How many issues are listed; inside of another object, what that one has left.
    private var limit = issueLimit
    private var effort = ReadingEffort()

    private static let issueLimit = 100
    /// The longest name of an unknown member that an issue repeats, in bytes.
    private static let nameLimit = 255

    private let object: JSONObject
    private let path: [PathStep]
    private var known: [String] = []

    private init(_ object: JSONObject, path: [PathStep]) {
        self.object = object
        self.path = path
    }

    /// Reads a whole value that must be an object.
    ///
    /// The path says where the value stands in a larger one. The body asks for every member and
    /// answers nil only after an issue.
    package static func read<Value>(
        _ value: JSONValue, path: [PathStep] = [], _ body: (inout ObjectReader) -> Value?
    ) throws(FieldIssues) -> Value {
        guard case .object(let object) = value else {
            throw FieldIssues([FieldIssue(path: path, detail: "must be an object")])
        }
        var reader = ObjectReader(object, path: path)
        let result = reader.whole(body)
        guard reader.issues.isEmpty else {
            throw FieldIssues(reader.issues, omitted: reader.omitted, effort: reader.effort)
        }
        guard let result else { preconditionFailure("a reader gave no value and no issue") }
        return result
    }

    private mutating func whole<Value>(_ body: (inout ObjectReader) -> Value?) -> Value? {
        let result = body(&self)
        reportUnknownMembers()
        return result
    }

    /// Adds an issue of the caller's own about a member, or about the object without a key.
    package mutating func report(_ key: String? = nil, _ detail: String) {
        note(FieldIssue(path: path + (key.map { [.key($0)] } ?? []), detail: detail))
    }

    /// Adds an issue about an item of a member that is an array.
    package mutating func report(_ key: String, index: Int, _ detail: String) {
        note(FieldIssue(path: path + [.key(key), .index(index)], detail: detail))
    }

    /// The member as it stands; nil when it is left out or null.
    package mutating func value(_ key: String, _ presence: Presence = .optional) -> JSONValue? {
        known.append(key)
        switch (object[key], presence) {
        case (nil, .required): report(key, "is required")
        case (.null?, .required), (.null?, .optional): report(key, "must not be null")
        case (nil, _), (.null?, .nullable): break
        case (let value?, _): return value
        }
        return nil
    }

    /// Whether a member is there and null, where that means something else than its absence.
    package func isNull(_ key: String) -> Bool { object[key]?.isNull ?? false }

    /// A string whose length is given in characters (Unicode scalars).
    package mutating func string(
        _ key: String, _ presence: Presence = .optional, length: ClosedRange<Int> = 0...65_536
    ) -> String? {
        guard let value = value(key, presence) else { return nil }
        return keep(Self.text(value, length, path + [.key(key)]))
    }

    /// An exact integer within the bounds.
    package mutating func integer(
        _ key: String, _ presence: Presence = .optional, in range: ClosedRange<Int>
    ) -> Int? {
        guard let value = value(key, presence) else { return nil }
        guard case .number(let number) = value else {
            report(key, "must be an integer")
            return nil
        }
        if let integer = number.intValue, range.contains(integer) { return integer }
        // A number beyond Int is out of range rather than of the wrong type.
        let bounds =
            switch (range.lowerBound, range.upperBound) {
            case (.min, .max): "must fit 64 bits"
            case (let least, .max): "must be at least \(least)"
            case (let least, let most): "must be between \(least) and \(most)"
            }
        report(key, number.isInteger ? bounds : "must be an integer")
        return nil
    }

    /// `true` or `false`.
    package mutating func bool(_ key: String, _ presence: Presence = .optional) -> Bool? {
        guard let value = value(key, presence) else { return nil }
        if case .bool(let flag) = value { return flag }
        report(key, "must be true or false")
        return nil
    }

    /// One of the words of an enumeration.
    package mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String, _ presence: Presence = .optional, of type: Choice.Type
    ) -> Choice? {
        guard let value = value(key, presence) else { return nil }
        return keep(Self.choice(value, type, path + [.key(key)]))
    }

    /// An array of words of an enumeration.
    package mutating func choices<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String, _ presence: Presence = .optional, of type: Choice.Type,
        count: ClosedRange<Int> = 0...100
    ) -> [Choice]? {
        items(key, presence, count) { Self.choice($0, type, $1) }
    }

    /// An array of strings.
    package mutating func strings(
        _ key: String, _ presence: Presence = .optional, count: ClosedRange<Int> = 0...10_000,
        length: ClosedRange<Int> = 0...65_536
    ) -> [String]? {
        items(key, presence, count) { Self.text($0, length, $1) }
    }

    /// An array as it stands.
    package mutating func array(
        _ key: String, _ presence: Presence = .optional, count: ClosedRange<Int> = 0...10_000
    ) -> [JSONValue]? {
        items(key, presence, count) { value, _ in .success(value) }
    }

    /// An object with members of any name, as it stands.
    package mutating func members(
        _ key: String, _ presence: Presence = .optional
    ) -> JSONObject? {
        guard let value = value(key, presence) else { return nil }
        if case .object(let object) = value { return object }
        report(key, "must be an object")
        return nil
    }

    /// An object with members of any name whose values PostgreSQL's `jsonb` can hold.
    package mutating func storableMembers(
        _ key: String, _ presence: Presence = .optional, count: ClosedRange<Int>
    ) -> JSONObject? {
        guard let object = members(key, presence) else { return nil }
        guard count.contains(object.count) else {
            report(key, "must have \(Self.described(count)) members")
            return nil
        }
        let issues = JSONValue.object(object).unstorable(at: path + [.key(key)])
        for issue in issues { note(issue) }
        return issues.isEmpty ? object : nil
    }

    /// An object read by a closure; its unknown members are reported.
    package mutating func object<Value>(
        _ key: String, _ presence: Presence = .optional, _ body: (inout ObjectReader) -> Value?
    ) -> Value? {
        guard let value = value(key, presence) else { return nil }
        return nested(value, path + [.key(key)], body)
    }

    /// An array of objects, each read by the closure; nil when one of them is wrong.
    package mutating func objects<Value>(
        _ key: String, _ presence: Presence = .optional, count: ClosedRange<Int> = 0...10_000,
        _ body: (inout ObjectReader) -> Value?
    ) -> [Value]? {
        guard let values = array(key, presence, count: count) else { return nil }
        let results = values.enumerated().map { index, value in
            nested(value, path + [.key(key), .index(index)], body)
        }
        let whole = results.compactMap(\.self)
        return whole.count == results.count ? whole : nil
    }
}

extension ObjectReader {
    private mutating func nested<Value>(
        _ value: JSONValue, _ path: [PathStep], _ body: (inout ObjectReader) -> Value?
    ) -> Value? {
        guard case .object(let object) = value else {
            note(FieldIssue(path: path, detail: "must be an object"))
            return nil
        }
        var reader = ObjectReader(object, path: path)
        // What is beyond the limit here is not worked out inside either.
        reader.limit = limit - issues.count
        let result = reader.whole(body)
        issues += reader.issues
        omitted += reader.omitted
        effort += reader.effort
        return reader.issues.isEmpty && reader.omitted == 0 ? result : nil
    }

    /// The items of an array, with an issue for each that is wrong.
    private mutating func items<Item>(
        _ key: String, _ presence: Presence, _ count: ClosedRange<Int>,
        _ read: (JSONValue, [PathStep]) -> Result<Item, FieldIssue>
    ) -> [Item]? {
        guard let value = value(key, presence) else { return nil }
        guard case .array(let values) = value else {
            report(key, "must be an array")
            return nil
        }
        guard count.contains(values.count) else {
            report(key, "must have \(Self.described(count)) items")
            return nil
        }
        let items = values.enumerated().map { index, value in
            keep(read(value, path + [.key(key), .index(index)]))
        }
        let whole = items.compactMap(\.self)
        return whole.count == items.count ? whole : nil
    }

    private mutating func note(_ issue: FieldIssue) {
        if issues.count < limit { issues.append(issue) } else { omitted += 1 }
    }

    /// The value, or nil with its issue noted.
    private mutating func keep<Value>(_ result: Result<Value, FieldIssue>) -> Value? {
        switch result {
        case .success(let value): return value
        case .failure(let issue):
            note(issue)
            return nil
        }
    }

    private static func text(
        _ value: JSONValue, _ length: ClosedRange<Int>, _ path: [PathStep]
    ) -> Result<String, FieldIssue> {
        guard case .string(let text) = value else {
            return .failure(FieldIssue(path: path, detail: "must be a string"))
        }
        // PostgreSQL cannot hold it, and C would end the text there.
        guard !text.utf8.contains(0) else {
            let detail = "must not contain the character U+0000"
            return .failure(FieldIssue(path: path, detail: detail))
        }
        guard length.contains(text.unicodeScalars.count) else {
            let detail = "must have \(described(length)) characters"
            return .failure(FieldIssue(path: path, detail: detail))
        }
        return .success(text)
    }

    private static func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ value: JSONValue, _ type: Choice.Type, _ path: [PathStep]
    ) -> Result<Choice, FieldIssue> {
        if let text = value.stringValue, let choice = type.init(rawValue: text) {
            return .success(choice)
        }
        let words = type.allCases.map(\.rawValue)
        let list = words.map { "\"\($0)\"" }.joined(separator: ", ")
        let near = value.stringValue.map { EditDistance.suffix(for: $0, among: words) } ?? ""
        return .failure(FieldIssue(path: path, detail: "must be one of \(list)\(near)"))
    }

    private mutating func reportUnknownMembers() {
        effort.members += object.members.count
        for member in object.members where !known.contains(member.key) {
            // What is not listed is not worked out either.
            if issues.count == limit {
                omitted += 1
            } else if member.key.utf8.count > Self.nameLimit {
                report(nil, "has an unknown member, its name longer than \(Self.nameLimit) bytes")
            } else {
                effort.guesses += 1
                report(
                    member.key, "is not known" + EditDistance.suffix(for: member.key, among: known))
            }
        }
    }

    private static func described(_ range: ClosedRange<Int>) -> String {
        if range.lowerBound == range.upperBound { return "exactly \(range.lowerBound)" }
        if range.lowerBound == 0 { return "at most \(range.upperBound)" }
        return "\(range.lowerBound) to \(range.upperBound)"
    }
}
