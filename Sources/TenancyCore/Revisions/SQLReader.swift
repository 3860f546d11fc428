/// Reads statements one after another, and the line comments between them.
///
/// A semicolon ends a statement, but not one in parentheses (`CREATE RULE ... DO (a; b)`) or in a
/// `BEGIN ATOMIC` body. A comment that marks a section ends one too.
struct SQLReader {
    enum Piece: Equatable {
        case statement(SQLStatement)
        /// A line comment on a line of its own and outside a statement: its text after the dashes.
        case comment(String, line: Int)
    }

    private var lexer: SQLLexer
    private let marksSection: (String) -> Bool
    private var open: OpenStatement?
    /// A section's mark that has ended a statement and is still to be handed out.
    private var pendingMark: Piece?

    init(
        _ text: String, firstLine: Int = 1,
        marksSection: @escaping (String) -> Bool = { _ in false }
    ) {
        lexer = SQLLexer(text, firstLine: firstLine)
        self.marksSection = marksSection
    }

    mutating func next() throws(SQLSplitError) -> Piece? {
        if let mark = pendingMark {
            pendingMark = nil
            return mark
        }
        while let token = try lexer.next() {
            switch token.kind {
            case .lineComment where token.opensLine:
                let text = lexer.text(token.range.dropFirst(2)).trimmed
                let comment = Piece.comment(text, line: token.line)
                if open == nil { return comment }
                guard marksSection(text) else {
                    open?.end = token.range.upperBound
                    continue
                }
                pendingMark = comment
                return try close()
            case .lineComment, .blockComment: open?.end = token.range.upperBound
            case .symbol where isSemicolon(token) && open?.isNested != true:
                if let statement = try close() { return statement }
            default: try take(token)
            }
        }
        return try close()
    }

    private func isSemicolon(_ token: SQLLexer.Token) -> Bool {
        lexer.bytes[token.range.lowerBound] == UInt8(ascii: ";")
    }

    private mutating func take(_ token: SQLLexer.Token) throws(SQLSplitError) {
        var statement = open ?? OpenStatement(start: token)
        switch token.kind {
        case .word:
            try statement.take(word: lexer.text(token.range).lowercased(), line: token.line)
        case .symbol: statement.take(symbol: lexer.bytes[token.range.lowerBound], line: token.line)
        default: statement.takeOther()
        }
        statement.end = token.range.upperBound
        open = statement
    }

    private mutating func close() throws(SQLSplitError) -> Piece? {
        guard let statement = open else { return nil }
        open = nil
        if let error = statement.unclosed { throw error }
        return .statement(
            SQLStatement(
                text: lexer.text(statement.start..<statement.end), line: statement.line))
    }
}

/// What must be remembered of a statement to find its end.
private struct OpenStatement {
    let start: Int
    let line: Int
    var end: Int

    private var parentheses: [Int] = []
    /// Lines of `BEGIN ATOMIC` and of the `CASE`s in it that are still open.
    private var blocks: [Int] = []
    private var leadingWords: [String] = []
    private var previous = Previous.nothing

    private enum Previous: Equatable {
        case nothing
        case word(String, line: Int)
        case dot
        case other
    }

    init(start token: SQLLexer.Token) {
        start = token.range.lowerBound
        line = token.line
        end = token.range.upperBound
    }

    var isNested: Bool { !parentheses.isEmpty || !blocks.isEmpty }

    var unclosed: SQLSplitError? {
        if let line = parentheses.first {
            return SQLSplitError(reason: .unclosedParenthesis, line: line)
        }
        return blocks.first.map { SQLSplitError(reason: .unclosedAtomicBody, line: $0) }
    }

    mutating func take(word: String, line: Int) throws(SQLSplitError) {
        if leadingWords.count < 4 { leadingWords.append(word) }
        defer { previous = .word(word, line: line) }
        guard parentheses.isEmpty else { return }
        switch (word, previous) {
        // A keyword after a dot or AS is a name.
        case (_, .dot), (_, .word("as", _)): return
        case ("atomic", .word("begin", let line)) where blocks.isEmpty && createsRoutine:
            blocks.append(line)
        case ("case", _) where !blocks.isEmpty: blocks.append(line)
        case ("end", _): _ = blocks.popLast()
        case ("stdin", .word("from", _)) where leadingWords.first == "copy":
            // What follows is data, so nothing after it can be read as SQL.
            throw SQLSplitError(reason: .copyFromStdin, line: line)
        default: return
        }
    }

    mutating func take(symbol: UInt8, line: Int) {
        switch symbol {
        case UInt8(ascii: "("): parentheses.append(line)
        case UInt8(ascii: ")"): _ = parentheses.popLast()
        default: break
        }
        previous = symbol == UInt8(ascii: ".") ? .dot : .other
    }

    mutating func takeOther() {
        previous = .other
    }

    private var createsRoutine: Bool {
        let words = leadingWords.filter { $0 != "or" && $0 != "replace" }
        return words.count > 1 && words[0] == "create"
            && (words[1] == "function" || words[1] == "procedure")
    }
}

extension String {
    /// Without blanks and line ends around it.
    var trimmed: String {
        let head = drop(while: \.isWhitespace)
        guard let last = head.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(head[...last])
    }
}
