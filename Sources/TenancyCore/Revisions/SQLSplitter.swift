/// Splits a text into statements as PostgreSQL would read them one after another.
package enum SQLSplitter {
    /// Splits at the semicolons outside quotes, dollar quotes, comments, parentheses and
    /// `BEGIN ATOMIC` bodies. Empty statements are left out.
    ///
    /// The rules are lexical (manual, "Lexical Structure"), so a statement of a newer server's
    /// grammar passes; whether it is right is for the server to say.
    ///
    /// - Parameters:
    ///   - text: any number of statements.
    ///   - firstLine: the line of the file on which the text begins.
    /// - Returns: the statements in their order.
    /// - Throws: for something that is never closed, for a psql command, and for `COPY FROM STDIN`.
    package static func split(
        _ text: String, firstLine: Int = 1
    ) throws(SQLSplitError) -> [SQLStatement] {
        var reader = SQLReader(text, firstLine: firstLine)
        var statements: [SQLStatement] = []
        while let piece = try reader.next() {
            if case .statement(let statement) = piece { statements.append(statement) }
        }
        return statements
    }
}
