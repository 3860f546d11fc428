/// A target that counts steps: `+2`, `-1`, `rev+1`, `label@-2`, `label@rev+3`.
///
/// The grammar is Alembic's `(?:(.+?)@)?(\w+)?((?:\+|-)\d+)`, matched at the start only: what
/// follows the digits is ignored, letters and digits are Unicode's, and an id with a dot, a slash or
/// a space is never counted from.
struct RelativeTarget: Equatable {
    let label: String?
    /// What is counted from; `nil` for the version rows.
    let symbol: String?
    let steps: Int

    /// More steps than any graph has revisions; keeps absurd numbers from overflowing.
    private static let mostSteps = 1_000_000_000

    init?(_ target: String) {
        let scalars = Array(target.unicodeScalars)
        // The label is as short as it can be, but not empty, and is preferred to having none.
        for at in scalars.indices.dropFirst() where scalars[at] == "@" {
            if scalars[..<at].contains("\n") { break }
            if let (symbol, steps) = Self.match(scalars[(at + 1)...]) {
                self.init(label: Self.text(scalars[..<at]), symbol: symbol, steps: steps)
                return
            }
        }
        guard let (symbol, steps) = Self.match(scalars[...]) else { return nil }
        self.init(label: nil, symbol: symbol, steps: steps)
    }

    private init(label: String?, symbol: String?, steps: Int) {
        self.label = label
        self.symbol = symbol
        self.steps = steps
    }

    private static func match(_ scalars: ArraySlice<Unicode.Scalar>) -> (String?, Int)? {
        let word = scalars.prefix(while: isWord)
        var rest = scalars[word.endIndex...]
        guard let sign = rest.popFirst(), sign == "+" || sign == "-" else { return nil }
        let digits = rest.prefix { $0.properties.generalCategory == .decimalNumber }
        guard !digits.isEmpty else { return nil }
        let number = digits.reduce(0) { number, digit in
            min(number * 10 + Int(digit.properties.numericValue ?? 0), mostSteps)
        }
        return (word.isEmpty ? nil : text(word), sign == "-" ? -number : number)
    }

    /// Python's `\w`: letters, digits of all kinds, underscore; no combining marks.
    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
            .decimalNumber, .letterNumber, .otherNumber:
            true
        default: scalar == "_"
        }
    }

    private static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }
}
