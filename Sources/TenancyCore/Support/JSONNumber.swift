/// A JSON number as it was written, so that nothing is lost on the way through.
package struct JSONNumber: Sendable {
    /// The number's text, which keeps to the grammar of RFC 8259 section 6.
    package let text: String

    /// The integer in its shortest form.
    package init(_ value: some FixedWidthInteger) {
        text = String(value)
    }

    /// The shortest text that reads back as the same double; nil for what JSON cannot write.
    package init?(_ value: Double) {
        guard value.isFinite else { return nil }
        text = value.description
    }

    /// A text that the caller has held against the grammar.
    init(checked text: String) {
        self.text = text
    }

    /// The integer that this number is exactly (`1e2` and `100.0` are 100), if it fits.
    package var intValue: Int? { Int(text) ?? Decimal(text)?.exactInteger }

    /// Whether the value is an integer of any size.
    var isInteger: Bool { Decimal(text)?.isInteger ?? false }

    /// Whether PostgreSQL's `numeric`, and so a number in its `jsonb`, can hold the value as it is
    /// written (manual, "Numeric Types": digits before and after the decimal point).
    var fitsNumeric: Bool { Decimal(text)?.fitsNumeric ?? false }

    /// The nearest double; an infinity where the number is too large for one.
    package var doubleValue: Double { Double(text) ?? .nan }
}

extension JSONNumber: Equatable {
    /// Numbers are equal when their decimal values are: `1`, `1.0` and `10e-1`.
    package static func == (lhs: JSONNumber, rhs: JSONNumber) -> Bool {
        if lhs.text == rhs.text { return true }
        guard let left = Decimal(lhs.text), let right = Decimal(rhs.text) else { return false }
        return left == right
    }
}

/// The exact value of a number's text: the significant digits, times ten to the exponent.
private struct Decimal: Equatable {
    private var isNegative = false
    private var digits: [UInt8] = []
    private var exponent = 0
    /// Digits after the decimal point once the exponent is applied, zeros at the end included.
    private var scale = 0

    /// Exponents beyond this are not worked with; such numbers are equal only as texts.
    private static let exponentLimit = 1_000_000_000

    init?(_ text: String) {
        let parts = text.utf8.split(whereSeparator: {
            $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "E")
        })
        guard let mantissa = parts.first else { return nil }
        if parts.count > 1 {
            // Not `abs`, which the least integer has none of.
            guard let written = Int(String(parts[1]) ?? ""),
                written.magnitude <= Self.exponentLimit
            else { return nil }
            exponent = written
        }
        var isFraction = false
        for byte in mantissa {
            switch byte {
            case UInt8(ascii: "-"): isNegative = true
            case UInt8(ascii: "."): isFraction = true
            default:
                digits.append(byte - UInt8(ascii: "0"))
                if isFraction { exponent -= 1 }
            }
        }
        scale = max(0, -exponent)
        normalize()
    }

    /// Equal values may be written with more or fewer zeros at the end.
    static func == (lhs: Decimal, rhs: Decimal) -> Bool {
        lhs.isNegative == rhs.isNegative && lhs.exponent == rhs.exponent
            && lhs.digits == rhs.digits
    }

    var fitsNumeric: Bool {
        scale <= 16_383 && (digits.isEmpty || digits.count + exponent <= 131_072)
    }

    private mutating func normalize() {
        digits = Array(digits.drop { $0 == 0 })
        while digits.last == 0 {
            digits.removeLast()
            exponent += 1
        }
        if digits.isEmpty {
            isNegative = false
            exponent = 0
        }
    }

    var isInteger: Bool { exponent >= 0 }

    var exactInteger: Int? {
        // No Int has more than 19 digits.
        guard isInteger, digits.count + exponent <= 19 else { return nil }
        var value = 0
        for digit in digits + Array(repeating: 0, count: exponent) {
            let (shifted, tooLarge) = value.multipliedReportingOverflow(by: 10)
            let part = isNegative ? -Int(digit) : Int(digit)
            let (sum, tooFar) = shifted.addingReportingOverflow(part)
            if tooLarge || tooFar { return nil }
            value = sum
        }
        return value
    }
}
