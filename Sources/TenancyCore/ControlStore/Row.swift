internal import PostgresClient
internal import Support

/// One row of an answer, whose columns are read by name.
struct Row {
    fileprivate let columns: [String]
    fileprivate let values: [String?]

    /// The text of a column; SQL NULL is `nil`.
    ///
    /// Names are few and short: comparing them costs less than hashing one, and rows that are read by
    /// the thousand need no dictionary.
    subscript(column: String) -> String? {
        get throws(StatusError) {
            guard let index = columns.firstIndex(of: column) else {
                throw .missingColumn(column)
            }
            return values[index]
        }
    }

    /// What `parse` makes of a column's text; `nil` for SQL NULL, too.
    func value<Value>(
        _ column: String, _ parse: (String) -> Value?
    ) throws(StatusError) -> Value? {
        guard let text = try self[column] else { return nil }
        return parse(text)
    }

    func integer(_ column: String) throws(StatusError) -> Int? {
        try value(column) { Int($0) }
    }

    func bigInteger(_ column: String) throws(StatusError) -> Int64? {
        try value(column) { Int64($0) }
    }

    func isTrue(_ column: String) throws(StatusError) -> Bool {
        try self[column] == "t"
    }

    /// A column that `SelectedColumn.milliseconds` selects.
    func timestamp(_ column: String) throws(StatusError) -> Timestamp? {
        try bigInteger(column).map(Timestamp.init(milliseconds:))
    }

    func json(_ column: String) throws(StatusError) -> JSONValue? {
        try value(column) { try? JSONValue.parse(Array($0.utf8)) }
    }

    /// A column that `SelectedColumn.array` selects.
    func strings(_ column: String) throws(StatusError) -> [String]? {
        try json(column)?.arrayValue?.compactMap(\.stringValue)
    }
}

/// The rows of one statement's answer.
struct Rows: RandomAccessCollection, Sendable {
    private let columns: [String]
    private let values: [[String?]]

    init(_ result: StatementResult) {
        columns = result.columns
        values = result.rows
    }

    var startIndex: Int { values.startIndex }
    var endIndex: Int { values.endIndex }

    subscript(position: Int) -> Row { Row(columns: columns, values: values[position]) }

    /// What `read` makes of each row, without those that it does not understand.
    func read<Value>(
        _ read: (Row) throws(StatusError) -> Value?
    ) throws(StatusError) -> [Value] {
        var found: [Value] = []
        found.reserveCapacity(count)
        for row in self {
            if let value = try read(row) { found.append(value) }
        }
        return found
    }
}

/// A column of a SELECT or RETURNING list: the name by which `Row` finds it, and what it holds.
struct SelectedColumn {
    let name: String
    let expression: String

    init(_ name: String, _ expression: String? = nil) {
        self.name = name
        self.expression = expression ?? name
    }

    /// An array, as JSON.
    static func array(_ name: String) -> SelectedColumn {
        SelectedColumn(name, "array_to_json(\(name))")
    }

    /// A point in time, as milliseconds since 1970.
    static func milliseconds(_ name: String, of expression: String? = nil) -> SelectedColumn {
        SelectedColumn(name, "(extract(epoch FROM \(expression ?? name)) * 1000)::bigint")
    }
}

extension DefaultStringInterpolation {
    /// The columns as SQL lists them.
    mutating func appendInterpolation(_ columns: [SelectedColumn]) {
        let items = columns.map {
            $0.expression == $0.name ? $0.name : "\($0.expression) AS \($0.name)"
        }
        appendLiteral(items.joined(separator: ", "))
    }
}
