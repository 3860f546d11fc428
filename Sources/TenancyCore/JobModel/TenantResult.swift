package import Support

/// Where one tenant of a job stands. The last four are final.
package enum TenantState: String, Sendable, CaseIterable {
    case pending, running, succeeded, skipped, failed, cancelled

    package var isFinal: Bool {
        switch self {
        case .pending, .running: false
        case .succeeded, .skipped, .failed, .cancelled: true
        }
    }

    /// True for a tenant that is where the job wanted it.
    package var isSuccess: Bool { self == .succeeded || self == .skipped }
}

/// A session that holds a lock a tenant's statement waited for (`pg_blocking_pids`).
package struct BlockingSession: Sendable, Equatable {
    package let pid: Int
    package let query: String
    package let state: String?
    package let applicationName: String?
    /// How long its transaction has been open, in milliseconds.
    package let ageMilliseconds: Int64?

    package init(
        pid: Int, query: String, state: String?, applicationName: String?, ageMilliseconds: Int64?
    ) {
        self.pid = pid
        // Its statement is anybody's: `ALTER ROLE ... PASSWORD` among others.
        self.query = scrub(query)
        self.state = state
        self.applicationName = applicationName
        self.ageMilliseconds = ageMilliseconds
    }
}

/// Why a tenant failed: what, where, and what to do. Holds no value of a row and no credentials.
package struct TenantFailure: Error, Sendable, Equatable {
    package var code: FailureCode
    /// One sentence for people.
    package var message: String
    package var sqlState: String?
    package var revision: String?
    /// The statement that failed, cut to a readable length.
    package var statement: String?
    package var file: String?
    package var line: Int?
    /// Whether the same step may succeed when it is tried again.
    package var isRetryable: Bool
    package var hint: String?
    package var blockedBy: [BlockingSession]
    /// The end of the traceback of the project's code, where that was what failed.
    package var traceback: [String]
    /// What the step had committed before it failed; it cannot be tried again from its start then.
    package var committed: [String] = []

    package init(
        code: FailureCode, message: String, sqlState: String? = nil, revision: String? = nil,
        statement: String? = nil, file: String? = nil, line: Int? = nil, isRetryable: Bool = false,
        hint: String? = nil, blockedBy: [BlockingSession] = [], traceback: [String] = []
    ) {
        self.code = code
        self.message = scrub(message)
        self.sqlState = sqlState
        self.revision = revision
        self.statement = statement.map(scrub)
        self.file = file
        self.line = line
        self.isRetryable = isRetryable
        self.hint = hint.map(scrub)
        self.blockedBy = blockedBy
        self.traceback = traceback
    }
}

/// How far a concurrent index build is (manual, "CREATE INDEX Progress Reporting").
package struct StatementProgress: Sendable, Equatable {
    /// As PostgreSQL names it, such as `building index: scanning table`.
    package let phase: String
    /// What `done` and `total` count: `blocks`, `tuples`, `partitions` or `lockers`.
    package let unit: String
    package let done: Int64
    package let total: Int64
    /// Who it waits for at the moment.
    package var blockedBy: [BlockingSession]

    package init(
        phase: String, unit: String, done: Int64, total: Int64, blockedBy: [BlockingSession] = []
    ) {
        self.phase = phase
        self.unit = unit
        self.done = done
        self.total = total
        self.blockedBy = blockedBy
    }

    /// The same but for how long the others' transactions are open.
    package func tellsNothingNew(after other: StatementProgress?) -> Bool {
        guard var other else { return false }
        let isSameWait = other.blockedBy.map(\.pid) == blockedBy.map(\.pid)
        other.blockedBy = blockedBy
        return isSameWait && other == self
    }
}

/// What a job has done to one of its tenants.
package struct TenantResult: Sendable, Equatable {
    package var tenantID: String
    package var identifier: String
    package var state: TenantState
    /// The version rows before the job; `nil` while unknown, empty at base.
    package var fromRevisions: [String]?
    /// The version rows after the job; `nil` while unknown, empty at base.
    package var toRevisions: [String]?
    /// Steps applied, or planned by a dry run.
    package var steps: Int
    /// The revisions a dry run would run, in order; `nil` outside a dry run.
    package var plannedRevisions: [String]?
    package var attempts: Int
    package var startedAt: Timestamp?
    package var finishedAt: Timestamp?
    package var durationMilliseconds: Int64?
    package var failure: TenantFailure?
    /// Why the attempt before the last one failed, for a tenant that needed several.
    package var lastRetry: TenantFailure?
    /// How far a long statement is, while one runs.
    package var progress: StatementProgress?

    package init(tenantID: String, identifier: String, state: TenantState = .pending) {
        self.tenantID = tenantID
        self.identifier = identifier
        self.state = state
        self.steps = 0
        self.attempts = 0
    }

    /// The revision after the job, several heads joined by a comma; `nil` at base or unknown.
    package var revision: String? {
        guard let toRevisions, !toRevisions.isEmpty else { return nil }
        return toRevisions.joined(separator: ",")
    }
}

/// A tenant's result and its number within the job, from 1 and with gaps.
package struct RecordedResult: Sendable, Equatable {
    package let number: Int64
    package let result: TenantResult

    package init(number: Int64, result: TenantResult) {
        self.number = number
        self.result = result
    }
}
