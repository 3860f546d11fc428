internal import PostgresClient
internal import Revisions
package import Tenants

/// One message of SQL that applies steps to a target: every part yields exactly one result, so the
/// number of results before an error tells which part failed.
///
/// Whole transactions are put one behind the other into the same message. PostgreSQL stops at the
/// first error, and what was committed before it stays, so a plan of many steps costs one round trip
/// and still commits step by step.
package struct StepMessage: Sendable {
    enum Part: Sendable, Equatable {
        /// BEGIN and SET LOCAL: fails only when the connection or the role is at fault.
        case opening
        /// Takes the target's lock, or fails.
        case lock
        /// Checks what the plan was made from: the version rows, or that there is no table yet.
        case guardRows
        case createSchema
        /// Statement `index` of the plan's step `step`.
        case statement(step: Int, index: Int)
        case versionChange(step: Int)
        /// Ends a transaction: of `step`, or of several where that is `nil`.
        case commit(step: Int?)

        /// The plan's step that the part belongs to.
        var step: Int? {
            switch self {
            case .opening, .lock, .guardRows, .createSchema: nil
            case .statement(let step, _), .versionChange(let step): step
            case .commit(let step): step
            }
        }
    }

    /// A statement may end in a line comment, which would swallow a semicolon on its line.
    private static let separator = "\n;\n"

    private(set) var parts: [Part] = []
    private(set) var texts: [String] = []
    /// Steps in the message.
    private(set) var steps = 0
    /// For each `commit` part, how many steps are durable once it has run.
    private var stepsAtCommit: [Int] = []

    /// Transactions in the message.
    var commits: Int { stepsAtCommit.count }

    package var sql: String { texts.joined(separator: StepMessage.separator) }

    /// How many steps are durable when `completed` parts have run.
    func committedSteps(after completed: Int) -> Int {
        let commits = parts.prefix(completed).count { if case .commit = $0 { true } else { false } }
        return commits == 0 ? 0 : stepsAtCommit[commits - 1]
    }

    /// Where in the part `index` the character `position` of the message lies, in Unicode scalars
    /// from 0; `nil` when it lies elsewhere.
    func offset(ofPosition position: Int, inPart index: Int) -> Int? {
        let gap = StepMessage.separator.unicodeScalars.count
        let before = texts.prefix(index).reduce(0) { $0 + $1.unicodeScalars.count + gap }
        let offset = position - 1 - before
        return texts[index].unicodeScalars.count > offset && offset >= 0 ? offset : nil
    }

    /// The part that an error is about. PostgreSQL reads a whole message before it runs any of it, so
    /// that what it cannot read (a syntax error, a character that the database's encoding lacks) is
    /// told before the first part has run; then the position in the text tells the part.
    func part(of error: ServerError) -> (index: Int, isUnread: Bool) {
        let next = min(error.completedStatements, parts.count - 1)
        guard error.completedStatements == 0 else { return (next, false) }
        if let position = error.position,
            let index = parts.indices.first(where: {
                offset(ofPosition: position, inPart: $0) != nil
            })
        {
            return (index, index > 0)
        }
        // Nothing in a transaction's BEGIN can be the matter.
        guard parts[0] == .opening, SQLState.isDataException(error.sqlState),
            let first = parts.firstIndex(where: { $0.step != nil })
        else { return (next, false) }
        return (first, true)
    }

    mutating func append(_ part: Part, _ text: String) {
        parts.append(part)
        texts.append(text)
    }

    /// Adds the plan's step `step`: what it runs, then how it moves the version rows.
    mutating func append(
        step: Int, _ statements: ArraySlice<SQLStatement>, _ versionChange: [String]
    ) {
        for index in statements.indices {
            append(.statement(step: step, index: index), statements[index].text)
        }
        for change in versionChange {
            append(.versionChange(step: step), change)
        }
        steps += 1
    }

    /// Ends the transaction of every step since the last commit.
    mutating func appendCommit() {
        let isOneStep = steps - (stepsAtCommit.last ?? 0) == 1
        append(.commit(step: isOneStep ? parts.last?.step : nil), "COMMIT")
        stepsAtCommit.append(steps)
    }
}

/// How many steps share a transaction.
package enum TransactionScope: String, Sendable, CaseIterable {
    case step, target
}

/// Bounds and settings of a target's transactions.
package struct SessionSettings: Sendable, Equatable {
    /// Milliseconds; 0 waits indefinitely.
    package var lockTimeoutMilliseconds: Int
    /// Milliseconds; 0 sets no bound.
    package var statementTimeoutMilliseconds: Int
    /// Schemas searched after the tenant's own.
    package var extraSearchPath: [SchemaName]
    /// Whether transactions write although `default_transaction_read_only` is on for the role or the
    /// database.
    package var overridesReadOnly: Bool
    /// What bounds the waits of a statement that builds or drops an index beside the application, in
    /// milliseconds; 0 waits indefinitely.
    package var concurrentLockTimeoutMilliseconds: Int

    package init(
        lockTimeoutMilliseconds: Int, statementTimeoutMilliseconds: Int,
        extraSearchPath: [SchemaName] = [], overridesReadOnly: Bool = false,
        concurrentLockTimeoutMilliseconds: Int = 600_000
    ) {
        self.lockTimeoutMilliseconds = lockTimeoutMilliseconds
        self.statementTimeoutMilliseconds = statementTimeoutMilliseconds
        self.extraSearchPath = extraSearchPath
        self.overridesReadOnly = overridesReadOnly
        self.concurrentLockTimeoutMilliseconds = concurrentLockTimeoutMilliseconds
    }

    /// How a transaction begins. The isolation is stated, since the guards rely on READ COMMITTED
    /// whatever the role's default is; a read-only default is left as it is.
    package var begin: String {
        "BEGIN ISOLATION LEVEL READ COMMITTED" + (overridesReadOnly ? " READ WRITE" : "")
    }

    /// The statements that set up a transaction. SET LOCAL only: a session's settings would leak to
    /// the next client of a transaction pooler.
    package func statements(schema: SchemaName?, serverVersion: Int) -> [String] {
        statements("SET LOCAL", schema, serverVersion)
    }

    /// The same for a session in which statements run outside of transactions.
    func sessionStatements(schema: SchemaName?, serverVersion: Int) -> [String] {
        statements("SET SESSION", schema, serverVersion)
    }

    private func statements(
        _ set: String, _ schema: SchemaName?, _ serverVersion: Int
    ) -> [String] {
        var statements = [
            "\(set) lock_timeout = \(lockTimeoutMilliseconds)",
            "\(set) statement_timeout = \(statementTimeoutMilliseconds)",
        ]
        if overridesReadOnly && set == "SET SESSION" {
            statements.append("SET SESSION default_transaction_read_only = off")
        }
        if let schema {
            let path = ([schema] + extraSearchPath).map(\.quoted).joined(separator: ", ")
            statements.append("\(set) search_path TO \(path)")
        }
        if serverVersion >= 140_000 {
            // A statement whose client has died ends within this time instead of committing later.
            // Servers on systems without the means refuse the setting.
            statements.append(
                """
                SELECT CASE WHEN version() LIKE '%linux%' \
                THEN set_config('client_connection_check_interval', '2000', \(set == "SET LOCAL")) END
                """)
        }
        return statements
    }
}
