internal import Support

/// A column of a table: its title, and what it shows of an item.
struct TableColumn: Sendable {
    let title: String
    let text: @Sendable (JSONValue) -> String

    init(_ title: String, _ text: @escaping @Sendable (JSONValue) -> String) {
        self.title = title
        self.text = text
    }

    /// A member of the item as it is.
    init(_ title: String, key: String) {
        self.init(title) { JSONText.of($0[key]) }
    }
}

/// Rows under each other. The first page decides how wide the columns are, so that a long list can be
/// printed while it is read; a cell that is wider pushes its own line to the right.
struct TextTable {
    /// Wider cells do not widen their column.
    private static let widest = 48

    private let columns: [TableColumn]
    private var widths: [Int] = []

    init(_ columns: [TableColumn]) {
        self.columns = columns
    }

    /// The lines of one page, under the titles if it is the first.
    mutating func lines(_ items: [JSONValue]) -> [String] {
        // What has a line feed in it is one cell all the same, so it is measured as it is printed.
        var rows = items.map { item in columns.map { TerminalText.line($0.text(item)) } }
        if widths.isEmpty {
            rows.insert(columns.map(\.title), at: 0)
            widths = columns.indices.map { column in
                min(rows.map { $0[column].count }.max() ?? 0, Self.widest)
            }
        }
        return rows.map(line)
    }

    private func line(_ cells: [String]) -> String {
        let padded = zip(cells, widths).map { cell, width in
            cell + String(repeating: " ", count: max(0, width - cell.count))
        }
        var line = padded.joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        return line
    }
}

/// Values of the API's JSON in words.
enum JSONText {
    static func of(_ value: JSONValue?) -> String {
        switch value {
        case nil, .null?: "-"
        case .string(let text)?: text.isEmpty ? "-" : text
        case .array(let items)?: items.isEmpty ? "-" : items.map(of).joined(separator: ",")
        case let value?: value.renderedString()
        }
    }

    /// Version rows; `base` for none, `?` where they are not known.
    static func rows(_ value: JSONValue?) -> String {
        guard let rows = value?.arrayValue else { return "?" }
        return rows.isEmpty ? "base" : of(value)
    }

    /// "1 tenant", "2 tenants".
    static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }
}
