package import JobModel
package import Revisions
internal import Support
package import Tenants

/// A step that cannot commit together with its version row, from before its first statement runs
/// until its version row is durable.
package struct UnfinishedStep: Sendable, Equatable {
    package let revision: String
    package let direction: Direction
    /// The version rows before the step, and after it.
    package let fromRows: [String]
    package let toRows: [String]
    /// The unit that is running or comes next; those before it are durable.
    package var unit = 0
    /// A digest of what the units before it ran: a file may be corrected from `unit` on.
    package var doneDigest = ""
    /// The statement that `unit` begins with, cut to a readable length.
    package var statement = ""
    /// What is known of the running unit; `nil` while it has not begun.
    package var begun: BegunUnit?
    /// Why only a person can say whether `unit` was applied; `nil` otherwise.
    package var doubt: String?

    package init(revision: String, direction: Direction, fromRows: [String], toRows: [String]) {
        self.revision = revision
        self.direction = direction
        self.fromRows = fromRows
        self.toRows = toRows
    }

    init(_ step: PlannedStep, from rows: [String]) {
        self.init(
            revision: step.revision, direction: step.direction, fromRows: rows.sorted(),
            toRows: step.applied(to: rows).sorted())
    }
}

/// How to determine the outcome of a unit whose answer was lost.
package struct BegunUnit: Sendable, Equatable {
    /// The session that ran it.
    package let backend: Int
    /// When that session began, as the server writes it: pids come again.
    package let backendStart: String
    /// The transaction that it ran in.
    package var transaction: String?
    /// Whether that leaves its mark on the version table when it commits.
    package var isMarked = false
    /// A digest of the step's statements up to the end of the unit.
    package var digest = ""
    /// The indexes that the table had before, by object id, for one that is built without a name.
    package var indexes: [String] = []

    package init(
        backend: Int, backendStart: String, transaction: String? = nil, isMarked: Bool = false,
        digest: String = "", indexes: [String] = []
    ) {
        self.backend = backend
        self.backendStart = backendStart
        self.transaction = transaction
        self.isMarked = isMarked
        self.digest = digest
        self.indexes = indexes
    }
}

/// The durable record of unfinished steps, written before anything is done.
///
/// Each method answers for one target, which has at most one unfinished step.
package protocol StepJournal: Sendable {
    func find(_ target: Target) async throws(TenantFailure) -> UnfinishedStep?

    /// Writes the state of a step.
    ///
    /// - Throws: also when the step is in the hands of another job that lives.
    func write(
        _ step: UnfinishedStep, of target: Target, tenants: [TenantName]
    ) async throws(TenantFailure)

    /// Forgets the target's step: its version row tells of it now.
    func remove(_ target: Target) async throws(TenantFailure)

    /// Takes the only place to build an index in the target's database, for as long as its step is
    /// in the journal or until it is released.
    ///
    /// - Returns: false while another target of the database has it.
    func acquireBuildPlace(_ target: Target) async throws(TenantFailure) -> Bool

    func releaseBuildPlace(_ target: Target) async throws(TenantFailure)
}

/// What an unfinished step means for the rows and the plan that a target has now.
enum UnfinishedFinding: Equatable {
    /// The rows have moved: the step was finished, or somebody has set the rows right.
    case obsolete
    /// The plan resumes it.
    case resume
    /// Only a person can say whether it was applied.
    case inDoubt
    /// The plan would skip what the step has already done.
    case inTheWay
    /// What has run of the step is not what the script says now.
    case edited
}

extension UnfinishedStep {
    /// Compares the step with the target's rows and the first step of the plan, whose units have
    /// `digests` up to each place.
    func finding(rows: [String], next: PlannedStep?, digests: [String]) -> UnfinishedFinding {
        guard rows.sorted() == fromRows else { return .obsolete }
        guard let next, next.revision == revision, next.direction == direction else {
            return .inTheWay
        }
        if doubt != nil { return .inDoubt }
        guard unit < digests.count, digests[unit] == doneDigest else { return .edited }
        guard let begun else { return .resume }
        return unit + 1 < digests.count && digests[unit + 1] == begun.digest ? .resume : .edited
    }
}

extension StepScript {
    /// For each place between units, and the end, a digest of the statements before it.
    func digests(_ units: [StepUnit]) -> [String] {
        var done: [UInt8] = []
        var digests = [""]
        for unit in units {
            let range =
                switch unit {
                case .transaction(let range): range
                case .nonTransactional(let index, _): index..<index + 1
                }
            for index in range { done += Array(statements[index].text.utf8) + [0] }
            digests.append(Hex.encode(Digest.sha256(done)))
        }
        return digests
    }
}

extension SQLEngine {
    /// Makes durable which rows a relative plan counts from. Nothing is applied unless it returns:
    /// a daemon that resumes the job after a crash could otherwise count the same step twice.
    package typealias StartNote =
        @Sendable (_ tenants: [TenantName], _ rows: [String]) async throws(TenantFailure) -> Void
}
