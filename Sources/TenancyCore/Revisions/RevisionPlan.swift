/// Which way a step runs.
package enum Direction: String, Sendable, CaseIterable {
    case up
    case down
}

/// What a plan is asked to do with the version rows.
package enum RevisionOperation: String, Sendable, CaseIterable {
    case upgrade
    case downgrade
    /// Moves the version rows and runs nothing.
    case stamp
}

/// One version row that changes its revision.
package struct VersionUpdate: Sendable, Equatable {
    package let from: String
    package let to: String

    package init(from: String, to: String) {
        self.from = from
        self.to = to
    }
}

/// One revision that runs in one direction, and what that does to the version table.
///
/// The order within a step is: deletes, inserts, update. Every delete and the update must change
/// exactly one row. For a stamp nothing runs, and `revision` is the one stamped or removed.
package struct PlannedStep: Sendable, Equatable {
    package let revision: String
    package let direction: Direction
    package let deleteVersions: [String]
    package let insertVersions: [String]
    package let updateVersion: VersionUpdate?
    /// Types that earlier steps of the same plan have named; see `RevisionPlan.asOneRun`.
    package var namedBefore: Set<NamedType> = []

    package init(
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
package struct RevisionPlan: Sendable, Equatable {
    /// Rows to delete before the first step: all of them for a stamp with purge, else none.
    package let purgedVersions: [String]
    package let steps: [PlannedStep]
    /// The version rows after the last step.
    package let result: [String]
    /// Sentences for the operator, for example about an ambiguous target that Alembic accepts.
    package let warnings: [String]
    /// The types that its steps have named.
    package var namedAfter: Set<NamedType> = []

    package init(
        purgedVersions: [String] = [], steps: [PlannedStep], result: [String],
        warnings: [String] = []
    ) {
        self.purgedVersions = purgedVersions
        self.steps = steps
        self.result = result
        self.warnings = warnings
    }
}
