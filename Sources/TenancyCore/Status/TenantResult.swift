/// Where one tenant of a job stands. The last four are final.
public enum TenantState: String, Sendable, CaseIterable {
    case pending, running, succeeded, skipped, failed, cancelled

    public var isFinal: Bool {
        switch self {
        case .pending, .running: false
        case .succeeded, .skipped, .failed, .cancelled: true
        }
    }

    /// True for a tenant that is where the job wanted it.
    public var isSuccess: Bool { self == .succeeded || self == .skipped }
}

/// A session that holds a lock a tenant's statement waited for (`pg_blocking_pids`).
public struct BlockingSession: Sendable, Equatable {
    public let pid: Int
    public let query: String
    public let state: String?
    public let applicationName: String?
    /// How long its transaction has been open, in milliseconds.
    public let ageMilliseconds: Int64?

    public init(
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

extension BlockingSession {
    /// Reads pid, query, state, application name and age in milliseconds.
    init?(row: ArraySlice<String?>) {
        let columns = Array(row)
        guard let pid = columns[0].flatMap({ Int($0) }) else { return nil }
        self.init(
            pid: pid, query: columns[1] ?? "", state: columns[2], applicationName: columns[3],
            ageMilliseconds: columns[4].flatMap { Int64($0) })
    }
}

/// Why a tenant failed: what, where, and what to do. Holds no value of a row and no credentials.
public struct TenantFailure: Error, Sendable, Equatable {
    /// A stable word for the kind of failure, as docs/errors.md lists them.
    public var code: String
    /// One sentence for people.
    public var message: String
    public var sqlState: String?
    public var revision: String?
    /// The statement that failed, cut to a readable length.
    public var statement: String?
    public var file: String?
    public var line: Int?
    /// Whether the same step may succeed when it is tried again.
    public var isRetryable: Bool
    public var hint: String?
    public var blockedBy: [BlockingSession]
    /// The end of the traceback of the project's code, where that was what failed.
    public var traceback: [String]
    /// What the step had committed before it failed; it cannot be tried again from its start then.
    var committed: [String] = []

    public init(
        code: String, message: String, sqlState: String? = nil, revision: String? = nil,
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
public struct StatementProgress: Sendable, Equatable {
    /// As PostgreSQL names it, such as `building index: scanning table`.
    public let phase: String
    /// What `done` and `total` count: `blocks`, `tuples`, `partitions` or `lockers`.
    public let unit: String
    public let done: Int64
    public let total: Int64
    /// Who it waits for at the moment.
    public var blockedBy: [BlockingSession]

    public init(
        phase: String, unit: String, done: Int64, total: Int64, blockedBy: [BlockingSession] = []
    ) {
        self.phase = phase
        self.unit = unit
        self.done = done
        self.total = total
        self.blockedBy = blockedBy
    }

    /// The same but for how long the others' transactions are open.
    func tellsNothingNew(after other: StatementProgress?) -> Bool {
        guard var other else { return false }
        let isSameWait = other.blockedBy.map(\.pid) == blockedBy.map(\.pid)
        other.blockedBy = blockedBy
        return isSameWait && other == self
    }
}

/// What a job has done to one of its tenants.
public struct TenantResult: Sendable, Equatable {
    public var tenantID: String
    public var identifier: String
    public var state: TenantState
    /// The version rows before the job; `nil` while unknown, empty at base.
    public var fromRevisions: [String]?
    /// The version rows after the job; `nil` while unknown, empty at base.
    public var toRevisions: [String]?
    /// Steps applied, or planned by a dry run.
    public var steps: Int
    /// The revisions a dry run would run, in order; `nil` outside a dry run.
    public var plannedRevisions: [String]?
    public var attempts: Int
    public var startedAt: Timestamp?
    public var finishedAt: Timestamp?
    public var durationMilliseconds: Int64?
    public var failure: TenantFailure?
    /// Why the attempt before the last one failed, for a tenant that needed several.
    public var lastRetry: TenantFailure?
    /// How far a long statement is, while one runs.
    public var progress: StatementProgress?

    public init(tenantID: String, identifier: String, state: TenantState = .pending) {
        self.tenantID = tenantID
        self.identifier = identifier
        self.state = state
        self.steps = 0
        self.attempts = 0
    }

    /// The revision after the job, several heads joined by a comma; `nil` at base or unknown.
    public var revision: String? {
        guard let toRevisions, !toRevisions.isEmpty else { return nil }
        return toRevisions.joined(separator: ",")
    }
}
