/// Text that is put into SQL, quoted so that nothing in it is read as SQL.
///
/// Everything here goes by Unicode scalars: to a `Character` a quote with a combining mark behind it
/// is no quote, and to PostgreSQL it is.
package enum SQLText {
    /// `'text'` as PostgreSQL reads it under any setting of standard_conforming_strings: a text with
    /// a backslash is written as an escape string (manual, 4.1.2.2).
    package static func literal(_ text: String) -> String {
        let isPlain = !text.unicodeScalars.contains("\\")
        return (isPlain ? "'" : " E'") + escaping(text, ["'", "\\"], with: { $0 }) + "'"
    }

    /// `"name"`.
    package static func identifier(_ name: String) -> String {
        "\"" + escaping(name, ["\""], with: { $0 }) + "\""
    }

    /// `ARRAY['a','b']::text[]`.
    package static func textArray(_ items: [String]) -> String {
        "ARRAY[" + items.map(literal).joined(separator: ",") + "]::text[]"
    }

    /// An array in the text form of a parameter: `{"a","b",NULL}` (manual, 8.15.2).
    package static func arrayParameter(_ items: [String?]) -> String {
        var text = "{"
        for (index, item) in items.enumerated() {
            if index > 0 { text += "," }
            guard let item else {
                text += "NULL"
                continue
            }
            text += "\"" + escaping(item, ["\"", "\\"], with: { _ in "\\" }) + "\""
        }
        return text + "}"
    }

    /// Puts before each of `special` what escapes it.
    private static func escaping(
        _ text: String, _ special: Set<Unicode.Scalar>,
        with escape: (Unicode.Scalar) -> Unicode.Scalar
    ) -> String {
        var escaped = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if special.contains(scalar) { escaped.append(escape(scalar)) }
            escaped.append(scalar)
        }
        return String(escaped)
    }
}
