/// One SQL statement as it stands in a file.
///
/// The text carries no leading blanks or comments and no closing semicolon. It may end in a line
/// comment, so a line feed belongs between it and a semicolon that is put behind it.
package struct SQLStatement: Sendable, Equatable {
    /// The statement, as PostgreSQL is to see it.
    package let text: String
    /// The line of its file on which the text begins, counted from 1.
    package let line: Int
    /// The type that the statement makes or drops, if it does so only once in a run.
    package let namedType: NamedType?

    package init(text: String, line: Int) {
        self.init(text: text, line: line, namedType: nil)
    }

    package init(text: String, line: Int, namedType: NamedType?) {
        self.text = text
        self.line = line
        self.namedType = namedType
    }

    /// The line of its file on which a character of the statement stands.
    ///
    /// The character is counted from 1 in Unicode scalars, as PostgreSQL counts in the error field
    /// `P`. A position beyond the end answers the last line.
    package func line(ofCharacter position: Int) -> Int {
        var line = line
        var previous: Unicode.Scalar = " "
        for scalar in text.unicodeScalars.prefix(max(position - 1, 0)) {
            if scalar == "\n" && previous != "\r" || scalar == "\r" { line += 1 }
            previous = scalar
        }
        return line
    }
}

/// Why a text cannot be split into statements.
package struct SQLSplitError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Why a text cannot be split.
    package enum Reason: String, Sendable, CaseIterable {
        case unclosedString = "unclosed_string"
        case unclosedIdentifier = "unclosed_identifier"
        case unclosedDollarQuote = "unclosed_dollar_quote"
        case unclosedComment = "unclosed_comment"
        case unclosedParenthesis = "unclosed_parenthesis"
        case unclosedAtomicBody = "unclosed_atomic_body"
        case metaCommand = "meta_command"
        case copyFromStdin = "copy_from_stdin"
        case nullByte = "null_byte"
    }

    package let reason: Reason
    /// The line where the trouble begins (for something unclosed, where it was opened), from 1.
    package let line: Int

    package init(reason: Reason, line: Int) {
        self.reason = reason
        self.line = line
    }

    /// What is wrong and what to do about it; holds no text of the statement.
    package var description: String { "line \(line): \(explanation)" }

    package var explanation: String {
        switch reason {
        case .unclosedString: "a string opens here and is never closed; add the closing quote"
        case .unclosedIdentifier:
            "a quoted identifier opens here and is never closed; add the closing double quote"
        case .unclosedDollarQuote:
            "a dollar quote opens here and is never closed; end it with the same tag"
        case .unclosedComment:
            "a comment opens here and is never closed; comments nest, so each /* needs its */"
        case .unclosedParenthesis: "a parenthesis opens here and is never closed"
        case .unclosedAtomicBody: "BEGIN ATOMIC opens here and is never closed; add its END"
        case .metaCommand:
            "a backslash outside quotes: psql commands cannot run here; write plain SQL instead"
        case .copyFromStdin:
            "COPY FROM STDIN needs data from a client; use INSERT, or COPY a file of the server"
        case .nullByte: "the text holds a null byte, which PostgreSQL does not accept; remove it"
        }
    }
}
