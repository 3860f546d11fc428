internal import PostgresClient

/// The control database cannot be used.
package struct StatusError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What went wrong, for people; never credentials.
    package let description: String
    /// Whether asking again later may help.
    package let isTemporary: Bool
    package let sqlState: String?

    /// Whether the database cannot hold a value that it was given.
    package var isAboutValue: Bool { sqlState.map(SQLState.isDataException) ?? false }

    /// Another replica has the job now.
    static let leaseLost = StatusError(
        description: "another daemon has taken the job over", isTemporary: false)

    /// The control database lost the job.
    static let jobGone = StatusError(
        description: "the control database does not have the job any more", isTemporary: true)

    /// An answer lacks a column that is read from it: a statement and its reader disagree.
    static func missingColumn(_ name: String) -> StatusError {
        StatusError(
            description: "the control database's answer has no column \"\(name)\"",
            isTemporary: false)
    }

    private init(description: String, isTemporary: Bool) {
        self.description = description
        self.isTemporary = isTemporary
        sqlState = nil
    }

    /// Whether the control database may answer otherwise later: beside what is transient anywhere,
    /// want of room or memory, and trouble with its disk (manual, classes 53 and 58).
    private static func isTransient(_ state: String) -> Bool {
        SQLState.isRetryable(state) || state.hasPrefix("53") || state.hasPrefix("58")
    }

    /// Whether the tables, or the schema that holds them, are not there.
    var isUnprepared: Bool {
        sqlState == SQLState.undefinedTable || sqlState == SQLState.invalidSchemaName
    }

    init(_ error: PostgresError) {
        sqlState = error.sqlState
        switch error {
        case .server(let server):
            description = "the control database refused a statement: \(server.message)"
            isTemporary = StatusError.isTransient(server.sqlState)
        case .connectFailed, .connectionLost, .deadlinePassed, .cancelled:
            description = "the control database cannot be reached: \(error)"
            isTemporary = true
        }
    }
}
