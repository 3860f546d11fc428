internal import PostgresClient

/// Errors of a statement that met another tenant's at an object which both share, such as an extension
/// or a function in `public`.
///
/// PostgreSQL looks for the object and makes it in two moments, also for `IF NOT EXISTS` and
/// `OR REPLACE`, so of several sessions that do so at once all but one may fail. Tried again, the
/// statement finds the object.
package enum SharedObjectRace {
    package static let hint =
        "several tenants made or changed one object that they share at the same moment; it is tried "
        + "again, and a revision of its own for the shared object, run once, avoids it"

    /// Whether an error is such a race. Where only the message tells what was violated, it is read
    /// there.
    package static func isOne(
        state: String, message: String, constraint: String? = nil, statement: String
    ) -> Bool {
        switch state {
        case SQLState.uniqueViolation:
            let names = constraint.map { [Substring($0)] } ?? message.split(separator: "\"")
            return names.contains { $0.hasPrefix("pg_") && $0.hasSuffix("_index") }
        case SQLState.internalError:
            // These two are not translated.
            return message.contains("tuple concurrently updated")
                || message.contains("tuple concurrently deleted")
        case SQLState.duplicateObject, SQLState.duplicateSchema, SQLState.duplicateTable,
            SQLState.duplicateFunction:
            let words = statement.uppercased().split(whereSeparator: \.isWhitespace)
                .joined(separator: " ")
            return words.contains("IF NOT EXISTS") || words.contains("OR REPLACE")
        default: return false
        }
    }
}
