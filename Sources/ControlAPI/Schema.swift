internal import JobModel
internal import Support

/// Makes JSON Schemas (draft 2020-12) for the API's description.
enum Schema {
    static let flag: JSONValue = ["type": "boolean"]
    static let number: JSONValue = ["type": "number"]
    static let text: JSONValue = ["type": "string"]
    static let time: JSONValue = ["type": "string", "format": "date-time"]
    static let uuid: JSONValue = ["type": "string", "format": "uuid"]
    static let count: JSONValue = ["type": "integer", "minimum": 0]
    static let anyObject: JSONValue = ["type": "object"]

    /// A text that a caller may send: of so many characters, none of which is U+0000.
    static func text(_ length: ClosedRange<Int>) -> JSONValue {
        [
            "type": "string", "minLength": JSONValue(length.lowerBound),
            "maxLength": JSONValue(length.upperBound), "pattern": "^[^\\u0000]*$",
        ]
    }

    /// A pattern for identifiers: no `[`, no `\` at the end, no U+0000.
    static let glob: JSONValue = [
        "type": "string", "minLength": 1, "maxLength": 255,
        "pattern": "^([^\\[\\\\\\u0000]|\\\\[^\\u0000])+$",
    ]

    /// A migration's target; only the daemon can tell whether one fits the revisions.
    static let target: JSONValue = {
        guard case .object(var schema) = text(JobBounds.targetLength) else { return nil }
        schema["examples"] = ["head", "base", "+1"]
        return .object(schema)
    }()

    static func integer(_ range: ClosedRange<Int>) -> JSONValue {
        [
            "type": "integer", "minimum": JSONValue(range.lowerBound),
            "maximum": JSONValue(range.upperBound),
        ]
    }

    static func words<Word: CaseIterable & RawRepresentable<String>>(
        _ type: Word.Type
    ) -> JSONValue {
        words(type.allCases.map(\.rawValue))
    }

    static func words(_ words: [String]) -> JSONValue {
        ["type": "string", "enum": JSONValue(words)]
    }

    static func list(_ items: JSONValue, _ count: ClosedRange<Int>? = nil) -> JSONValue {
        var schema: JSONObject = ["type": "array", "items": items]
        if let count {
            schema["minItems"] = JSONValue(count.lowerBound)
            schema["maxItems"] = JSONValue(count.upperBound)
        }
        return .object(schema)
    }

    static func named(_ name: String) -> JSONValue {
        ["$ref": .string("#/components/schemas/\(name)")]
    }

    /// The schema, or null.
    static func orNull(_ schema: JSONValue) -> JSONValue {
        guard var object = schema.objectValue, let type = object["type"]?.stringValue else {
            return ["anyOf": [schema, ["type": "null"]]]
        }
        object["type"] = [.string(type), "null"]
        if let words = object["enum"]?.arrayValue { object["enum"] = .array(words + [.null]) }
        return .object(object)
    }

    /// An object of an answer: every member is always there. Later versions may add members.
    static func answer(
        _ first: KeyValuePairs<String, JSONValue>, _ more: KeyValuePairs<String, JSONValue> = [:]
    ) -> JSONValue {
        let members = Array(first) + Array(more)
        return [
            "type": "object", "required": JSONValue(members.map(\.key)),
            "properties": .object(JSONObject(uniqueMembers: members.map { ($0.key, $0.value) })),
        ]
    }

    /// An object of a request: unknown members are refused, and null means left out.
    static func request(
        required: KeyValuePairs<String, JSONValue> = [:],
        optional: KeyValuePairs<String, JSONValue> = [:]
    ) -> JSONValue {
        let members =
            required.map { ($0.key, $0.value) } + optional.map { ($0.key, orNull($0.value)) }
        var schema: JSONObject = ["type": "object"]
        if !required.isEmpty { schema["required"] = JSONValue(required.map(\.key)) }
        schema["properties"] = .object(JSONObject(uniqueMembers: members))
        schema["additionalProperties"] = false
        return .object(schema)
    }

    static func page(of name: String) -> JSONValue {
        answer(["items": list(named(name)), "next_cursor": orNull(text)])
    }

    /// Numbers by name.
    static let counts: JSONValue = ["type": "object", "additionalProperties": count]

    static func parameter(_ kind: QueryParameter.Kind) -> JSONValue {
        switch kind {
        case .text(let length): text(length)
        case .integer(let range): integer(range)
        case .flag: flag
        case .word(let choices): words(choices)
        case .words(let choices): list(words(choices), QueryParameter.itemCount)
        case .glob: glob
        case .texts:
            list(
                ["type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^,\\u0000]+$"],
                QueryParameter.itemCount)
        }
    }
}
