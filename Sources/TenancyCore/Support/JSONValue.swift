/// A JSON text as a value (RFC 8259). Objects keep the order of their members.
///
/// Equality is that of JSON: strings byte by byte, numbers by their exact decimal value, objects
/// without regard to the order of their members.
package enum JSONValue: Sendable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

extension JSONValue {
    /// The string or, without one, `null`.
    package init(_ value: String?) {
        self = value.map { .string($0) } ?? .null
    }

    /// The integer or, without one, `null`.
    package init(_ value: (some FixedWidthInteger & Sendable)?) {
        self = value.map { .number(JSONNumber($0)) } ?? .null
    }

    /// The number; `null` without one, and for what JSON cannot write: not a number, infinity.
    package init(_ value: Double?) {
        self = value.flatMap { JSONNumber($0) }.map { .number($0) } ?? .null
    }

    /// The truth value or, without one, `null`.
    package init(_ value: Bool?) {
        self = value.map { .bool($0) } ?? .null
    }

    /// An array of strings.
    package init(_ values: [String]) {
        self = .array(values.map { .string($0) })
    }

    /// Whether this is `null`.
    package var isNull: Bool {
        if case .null = self { true } else { false }
    }

    /// The truth value, if this is one.
    package var boolValue: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The exact integer, if this is a number that is one and fits.
    package var intValue: Int? {
        if case .number(let value) = self { value.intValue } else { nil }
    }

    /// The nearest double, if this is a number.
    package var doubleValue: Double? {
        if case .number(let value) = self { value.doubleValue } else { nil }
    }

    /// The text, if this is a string.
    package var stringValue: String? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The items, if this is an array.
    package var arrayValue: [JSONValue]? {
        if case .array(let value) = self { value } else { nil }
    }

    /// The object, if this is one.
    package var objectValue: JSONObject? {
        if case .object(let value) = self { value } else { nil }
    }

    /// The member of that name, if this is an object that has it.
    package subscript(key: String) -> JSONValue? { objectValue?[key] }
}

extension JSONValue: Equatable {
    package static func == (lhs: JSONValue, rhs: JSONValue) -> Bool {
        switch (lhs, rhs) {
        case (.null, .null): true
        case (.bool(let lhs), .bool(let rhs)): lhs == rhs
        case (.number(let lhs), .number(let rhs)): lhs == rhs
        // Not String's ==, which takes canonically equivalent texts for equal.
        case (.string(let lhs), .string(let rhs)): lhs.utf8.elementsEqual(rhs.utf8)
        case (.array(let lhs), .array(let rhs)): lhs == rhs
        case (.object(let lhs), .object(let rhs)): lhs == rhs
        default: false
        }
    }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringInterpolation,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(nilLiteral: ()) { self = .null }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self.init(value) }
    package init(floatLiteral value: Double) { self.init(value) }
    package init(stringLiteral value: String) { self = .string(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }

    /// An object with these members in this order; the keys must differ.
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(JSONObject(uniqueMembers: elements))
    }
}
