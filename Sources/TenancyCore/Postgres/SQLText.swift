/// Text that is put into SQL: identifiers and literals, quoted so that nothing in them is read as SQL.
enum SQLText {
    /// `"name"`, with quotes doubled (PostgreSQL manual, 4.1.1 "Identifiers and Key Words").
    static func identifier(_ name: String) -> String {
        "\"" + name.replacing("\"", with: "\"\"") + "\""
    }

    /// `'text'` as PostgreSQL reads it under any setting of standard_conforming_strings: a text with
    /// a backslash is written as an escape string (manual, 4.1.2.2).
    static func literal(_ text: String) -> String {
        let quoted = "'" + text.replacing("'", with: "''") + "'"
        return text.contains("\\") ? " E" + quoted.replacing("\\", with: "\\\\") : quoted
    }

    /// `ARRAY['a','b']::text[]`.
    static func textArray(_ items: [String]) -> String {
        "ARRAY[" + items.map(literal).joined(separator: ",") + "]::text[]"
    }

    /// An array in the text form of a parameter: `{"a","b",NULL}` (manual, 8.15.2).
    static func arrayParameter(_ items: [String?]) -> String {
        var text = "{"
        for (index, item) in items.enumerated() {
            if index > 0 { text += "," }
            guard let item else {
                text += "NULL"
                continue
            }
            let escaped = item.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            text += "\"" + escaped + "\""
        }
        return text + "}"
    }

    /// Reads the text form of a one-dimensional text array.
    static func parseArray(_ text: String) -> [String] {
        var items: [String] = []
        var item = ""
        var isQuoted = false
        var isEscaped = false
        for character in text.unicodeScalars.dropFirst().dropLast() {
            if isEscaped {
                item.unicodeScalars.append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
            } else if character == "," && !isQuoted {
                items.append(item)
                item = ""
            } else {
                item.unicodeScalars.append(character)
            }
        }
        if text.unicodeScalars.count > 2 { items.append(item) }
        return items
    }
}
