/// Cuts SQL into tokens by PostgreSQL's lexical rules (`src/backend/parser/scan.l`), as far as they
/// decide where a token ends. Knows no keyword, so it works for every version of the grammar.
///
/// Assumes `standard_conforming_strings = on`: a backslash escapes in `E''` strings only.
struct SQLLexer {
    struct Token: Equatable {
        enum Kind {
            /// A keyword or an unquoted identifier.
            case word
            case quotedIdentifier
            /// In quotes or dollar quotes.
            case string
            case number
            /// One byte of punctuation or of an operator.
            case symbol
            case lineComment
            case blockComment
        }

        let kind: Kind
        let range: Range<Int>
        /// The line on which the token begins.
        let line: Int
        /// Whether only blanks stand before it on its line.
        let opensLine: Bool
    }

    let bytes: [UInt8]
    private var position = 0
    private var line: Int
    /// Where the current line's first token may still begin.
    private var isLineFresh = true

    init(_ text: String, firstLine: Int = 1) {
        bytes = Array(text.utf8)
        line = firstLine
    }

    /// The next token, comments included; `nil` at the end.
    mutating func next() throws(SQLSplitError) -> Token? {
        skipBlanks()
        guard position < bytes.count else { return nil }
        let start = position
        let startLine = line
        let opensLine = isLineFresh
        isLineFresh = false
        let kind = try take()
        countLines(in: start..<position)
        return Token(kind: kind, range: start..<position, line: startLine, opensLine: opensLine)
    }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    private mutating func take() throws(SQLSplitError) -> Token.Kind {
        let byte = bytes[position]
        switch byte {
        case UInt8(ascii: "-") where peek(1) == UInt8(ascii: "-"):
            while position < bytes.count, !isLineEnd(bytes[position]) { position += 1 }
            return .lineComment
        case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"):
            try takeBlockComment()
            return .blockComment
        case UInt8(ascii: "'"):
            try takeQuoted(byte, .unclosedString)
            return .string
        case UInt8(ascii: "\""):
            try takeQuoted(byte, .unclosedIdentifier)
            return .quotedIdentifier
        case UInt8(ascii: "$"): return try takeDollar()
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            takeWhile(isDigit)
            return .number
        case UInt8(ascii: "\\"): throw SQLSplitError(reason: .metaCommand, line: line)
        case 0: throw SQLSplitError(reason: .nullByte, line: line)
        case _ where isWordStart(byte): return try takeWord()
        default:
            position += 1
            return .symbol
        }
    }

    /// A word, or what it introduces: `E'...'` with escapes.
    private mutating func takeWord() throws(SQLSplitError) -> Token.Kind {
        let start = position
        takeWhile(isWordPart)
        let isE = position - start == 1 && bytes[start] | 0x20 == UInt8(ascii: "e")
        guard isE, peek(0) == UInt8(ascii: "'") else { return .word }
        repeat { try takeEscaped() } while skipToContinuation()
        return .string
    }

    private mutating func takeQuoted(
        _ quote: UInt8, _ reason: SQLSplitError.Reason
    ) throws(SQLSplitError) {
        var end = position + 1
        while end < bytes.count {
            guard bytes[end] == quote else {
                if bytes[end] == 0 { break }
                end += 1
                continue
            }
            // A doubled quote stands for itself.
            guard end + 1 < bytes.count, bytes[end + 1] == quote else {
                position = end + 1
                return
            }
            end += 2
        }
        throw SQLSplitError(reason: reason, line: line)
    }

    private mutating func takeEscaped() throws(SQLSplitError) {
        var end = position + 1
        while end < bytes.count, bytes[end] != 0 {
            switch bytes[end] {
            case UInt8(ascii: "\\"): end += 2
            case UInt8(ascii: "'") where end + 1 < bytes.count && bytes[end + 1] == bytes[end]:
                end += 2
            case UInt8(ascii: "'"):
                position = end + 1
                return
            default: end += 1
            }
        }
        throw SQLSplitError(reason: .unclosedString, line: line)
    }

    /// A string continues after blanks with a line end (manual, "String Constants"), and in the same
    /// manner: an `E''` string keeps its escapes. Other strings read the same as two.
    private mutating func skipToContinuation() -> Bool {
        var end = position
        var hasLineEnd = false
        while end < bytes.count {
            if isLineEnd(bytes[end]) {
                hasLineEnd = true
                end += 1
            } else if isBlank(bytes[end]) {
                end += 1
            } else if bytes[end...].starts(with: [UInt8(ascii: "-"), UInt8(ascii: "-")]) {
                while end < bytes.count, !isLineEnd(bytes[end]) { end += 1 }
            } else {
                break
            }
        }
        guard hasLineEnd, end < bytes.count, bytes[end] == UInt8(ascii: "'") else { return false }
        position = end
        return true
    }

    /// `$tag$ ... $tag$`, or a parameter, or a lone dollar.
    private mutating func takeDollar() throws(SQLSplitError) -> Token.Kind {
        var end = position + 1
        while end < bytes.count, isWordPart(bytes[end]), bytes[end] != UInt8(ascii: "$") {
            end += 1
        }
        let isTag = end == position + 1 || !isDigit(bytes[position + 1])
        guard isTag, end < bytes.count, bytes[end] == UInt8(ascii: "$") else {
            position += 1
            takeWhile(isDigit)
            return .symbol
        }
        let tag = bytes[position...end]
        var at = end + 1
        while at + tag.count <= bytes.count {
            if bytes[at] == UInt8(ascii: "$"), bytes[at..<(at + tag.count)] == tag {
                position = at + tag.count
                return .string
            }
            at += 1
        }
        throw SQLSplitError(reason: .unclosedDollarQuote, line: line)
    }

    private mutating func takeBlockComment() throws(SQLSplitError) {
        var depth = 0
        var end = position
        while end + 1 < bytes.count {
            switch (bytes[end], bytes[end + 1]) {
            case (UInt8(ascii: "/"), UInt8(ascii: "*")):
                depth += 1
                end += 2
            case (UInt8(ascii: "*"), UInt8(ascii: "/")):
                depth -= 1
                end += 2
                if depth == 0 {
                    position = end
                    return
                }
            default: end += 1
            }
        }
        throw SQLSplitError(reason: .unclosedComment, line: line)
    }

    private mutating func skipBlanks() {
        let start = position
        takeWhile { isBlank($0) || isLineEnd($0) }
        if countLines(in: start..<position) > 0 { isLineFresh = true }
    }

    /// A line ends at LF, CR or CR LF.
    @discardableResult
    private mutating func countLines(in range: Range<Int>) -> Int {
        var count = 0
        for index in range {
            switch bytes[index] {
            case UInt8(ascii: "\n") where index == 0 || bytes[index - 1] != UInt8(ascii: "\r"):
                count += 1
            case UInt8(ascii: "\r"): count += 1
            default: break
            }
        }
        line += count
        return count
    }

    private mutating func takeWhile(_ belongs: (UInt8) -> Bool) {
        while position < bytes.count, belongs(bytes[position]) { position += 1 }
    }

    private func peek(_ distance: Int) -> UInt8? {
        position + distance < bytes.count ? bytes[position + distance] : nil
    }
}

private func isLineEnd(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
}

private func isBlank(_ byte: UInt8) -> Bool {
    // Space, tab, form feed and, since PostgreSQL 16, vertical tab.
    byte == 0x20 || byte == 0x09 || byte == 0x0B || byte == 0x0C
}

private func isDigit(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
}

private func isWordStart(_ byte: UInt8) -> Bool {
    let letter = byte | 0x20
    return letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "z")
        || byte == UInt8(ascii: "_") || byte >= 0x80
}

private func isWordPart(_ byte: UInt8) -> Bool {
    isWordStart(byte) || isDigit(byte) || byte == UInt8(ascii: "$")
}
