internal import JobModel
internal import PostgresClient
internal import Revisions

/// One way to apply the next step of a plan.
///
/// A runner is made for one turn, from values. It neither reads the version rows to decide by them nor
/// moves the plan: it says what happened, and the attempt compares that with the target's rows.
protocol StepRunner {
    /// Applies the plan's next step, or as many as one message holds.
    ///
    /// - Throws: when the attempt is over, and the version rows are what they were before the turn.
    func run() async throws(AttemptStop) -> StepResult
}

/// What a runner's turn came to.
enum StepResult {
    /// That many steps of the plan have committed.
    case committed(steps: Int)
    /// A message did not run to its end.
    case interrupted(InterruptedMessage)
    /// A program of the project's own says that it is done; the version rows have to prove it.
    case reported(ExternalReport)
    /// The attempt is over, and the version rows may be those before the step or after it.
    case unknown(AttemptStop)
}

/// A message that did not run to its end, with what the attempt needs to find out how far it came.
struct InterruptedMessage {
    /// How much of its step had run before the message.
    enum Stage {
        /// Nothing.
        case start
        /// Statements outside its transaction, or none yet; the journal has the step.
        case middle
        /// All that was not in the message, which has the version row.
        case end
    }

    let message: StepMessage
    let error: PostgresError
    /// What the message was built on.
    let state: VersionState
    let channel: PostgresChannel
    let stage: Stage
}

/// How a program of the project's own ended with a step.
struct ExternalReport {
    let planned: PlannedStep
    let answer: Result<ExternalAnswer, TenantFailure>
    /// Whether the program was stopped since the job is cancelled.
    var wasCancelled = false
    /// Types that the step has named, for the steps after it.
    var namedTypes: Set<NamedType> = []
    /// Whether its tables came to be in another schema than the tenant's.
    var hasStrayed = false
    /// Indexes that the step has left INVALID.
    var invalidIndexes: [String] = []
    /// Whether the journal's entry stands in for the target's lock, so that it has to go in any case.
    var isJournalTheLock = false
}

/// The runner that a step needs.
enum StepKind: Equatable {
    case transactional
    case nonTransactional(StepScript)
    case external
    case foreign

    /// Chooses from the step itself, and from what the journal may have of it. There is no `builder` where
    /// the database is not PostgreSQL.
    init(of step: PlannedStep, builder: StepMessageBuilder?, mayBeUnfinished: Bool) {
        guard let builder else {
            self = .foreign
            return
        }
        if builder.needsPython(step) {
            self = .external
        } else if let script = builder.script(of: step),
            mayBeUnfinished || !builder.commitsAsWhole(step)
        {
            self = .nonTransactional(script)
        } else {
            self = .transactional
        }
    }
}

/// Why an attempt ends before its plan is done.
enum AttemptStop: Error {
    case failed(TenantFailure)
    /// Its turn has not come; nothing was tried.
    case postponed(TenantFailure)
    /// There was nothing to apply.
    case settled(TargetOutcome)
    case cancelled

    init(_ error: PostgresError) {
        if case .cancelled = error {
            self = .cancelled
        } else {
            self = .failed(FailureDescription.of(error))
        }
    }
}
