import Testing

@testable import Support

@Suite struct JSONValueTests {
    @Test(
        "a number is an integer when its value is one that fits",
        arguments: [
            ("0", 0), ("-0", 0), ("42", 42), ("4.20e1", 42), ("100.0", 100), ("1e2", 100),
            ("120e-1", 12), ("9223372036854775807", .max), ("-9223372036854775808", .min),
            ("9223372036854775808", nil), ("-9223372036854775809", nil), ("1e19", nil),
            ("1.5", nil), ("1e-1", nil), ("1e999999999999999999999", nil), ("0e99999", 0),
            ("1e9223372036854775807", nil), ("1e-9223372036854775807", nil),
            ("1e-9223372036854775808", nil), ("0e-9223372036854775808", nil),
        ] as [(String, Int?)])
    func integers(text: String, expected: Int?) {
        #expect(JSONNumber(checked: text).intValue == expected)
    }

    @Test(
        "numbers are equal when their decimal values are",
        arguments: [
            ("1", "1.0", true), ("1", "10e-1", true), ("-0", "0.00", true), ("1", "-1", false),
            ("0.1", "0.10000000000000000001", false), ("1e400", "10e399", true),
            ("1e400", "1e401", false), ("100", "1", false),
        ])
    func equality(first: String, second: String, isEqual: Bool) {
        #expect((JSONNumber(checked: first) == JSONNumber(checked: second)) == isEqual)
    }

    @Test("optional values are null without a value, and so is what JSON cannot write")
    func optionals() {
        #expect(JSONValue(nil as String?) == .null)
        #expect(JSONValue("a" as String?) == "a")
        #expect(JSONValue(7 as Int?) == 7)
        #expect(JSONValue(UInt64.max).renderedString() == "18446744073709551615")
        #expect(JSONValue(nil as Bool?) == .null)
        #expect(JSONValue(Double.nan) == .null)
        #expect(JSONValue(0.5).renderedString() == "0.5")
        #expect(JSONValue(["a", "b"]) == ["a", "b"])
    }

    @Test("an object keeps its order; its equality does not")
    func objects() {
        var object: JSONObject = ["b": 1, "a": 2]
        object["c"] = 3
        object["b"] = 4
        object["a"] = nil
        object["missing"] = nil
        #expect(JSONValue.object(object).renderedString() == #"{"b":4,"c":3}"#)
        #expect(object == ["c": 3, "b": 4])
        #expect(object != ["c": 3])
        #expect(object != ["c": 3, "b": 5])
        #expect(object["x"] == nil)
    }

    @Test("a large object finds, replaces and removes its members")
    func largeObjects() {
        var object = JSONObject()
        for number in 0..<1_000 { object["k\(number)"] = JSONValue(number) }
        object["k500"] = nil
        object["k501"] = "new"
        #expect(object.count == 999)
        #expect(object["k500"] == nil)
        #expect(object["k501"] == "new")
        #expect(object["k999"] == 999)
        for number in 0..<990 { object["k\(number)"] = nil }
        #expect(object.members.map(\.key) == (990..<1_000).map { "k\($0)" })
        #expect(object["k995"] == 995)
    }

    @Test("strings are compared byte by byte")
    func canonicalEquivalence() {
        #expect(JSONValue.string("\u{e9}") != .string("e\u{301}"))
    }

    @Test("a pretty text has a member a line")
    func pretty() {
        let value: JSONValue = ["a": [1, ["b": nil]], "c": [], "d": [:]]
        let expected = """
            {
              "a": [
                1,
                {
                  "b": null
                }
              ],
              "c": [],
              "d": {}
            }
            """
        #expect(value.renderedString(pretty: true) == expected)
    }

    @Test("members and items are reached by accessors, other kinds are nil")
    func accessors() {
        let value: JSONValue = ["a": [1], "b": "x", "c": true, "d": 1.5]
        #expect(value["a"]?.arrayValue == [1])
        #expect(value["b"]?.stringValue == "x")
        #expect(value["c"]?.boolValue == true)
        #expect(value["d"]?.doubleValue == 1.5)
        #expect(value["d"]?.intValue == nil)
        #expect(value["a"]?["x"] == nil)
        #expect(value["b"]?.intValue == nil)
        #expect(JSONValue.null.isNull)
    }
}
