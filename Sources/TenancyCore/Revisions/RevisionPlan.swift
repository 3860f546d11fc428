/// Which way a step runs.
public enum Direction: String, Sendable, CaseIterable {
    case up
    case down
}

/// What a plan is asked to do with the version rows.
public enum RevisionOperation: String, Sendable, CaseIterable {
    case upgrade
    case downgrade
    /// Moves the version rows and runs nothing.
    case stamp
}

/// One version row that changes its revision.
public struct VersionUpdate: Sendable, Equatable {
    public let from: String
    public let to: String

    public init(from: String, to: String) {
        self.from = from
        self.to = to
    }
}

/// One revision that runs in one direction, and what that does to the version table.
///
/// The order within a step is: deletes, inserts, update. Every delete and the update must change
/// exactly one row. For a stamp nothing runs, and `revision` is the one stamped or removed.
public struct PlannedStep: Sendable, Equatable {
    public let revision: String
    public let direction: Direction
    public let deleteVersions: [String]
    public let insertVersions: [String]
    public let updateVersion: VersionUpdate?
    /// Types that earlier steps of the same plan have named; see `RevisionPlan.asOneRun`.
    var namedBefore: Set<NamedType> = []

    public init(
        revision: String, direction: Direction, deleteVersions: [String] = [],
        insertVersions: [String] = [], updateVersion: VersionUpdate? = nil
    ) {
        self.revision = revision
        self.direction = direction
        self.deleteVersions = deleteVersions
        self.insertVersions = insertVersions
        self.updateVersion = updateVersion
    }
}

/// The steps from some version rows to a target.
public struct RevisionPlan: Sendable, Equatable {
    /// Rows to delete before the first step: all of them for a stamp with purge, else none.
    public let purgedVersions: [String]
    public let steps: [PlannedStep]
    /// The version rows after the last step.
    public let result: [String]
    /// Sentences for the operator, for example about an ambiguous target that Alembic accepts.
    public let warnings: [String]
    /// The types that its steps have named.
    var namedAfter: Set<NamedType> = []

    public init(
        purgedVersions: [String] = [], steps: [PlannedStep], result: [String],
        warnings: [String] = []
    ) {
        self.purgedVersions = purgedVersions
        self.steps = steps
        self.result = result
        self.warnings = warnings
    }
}
