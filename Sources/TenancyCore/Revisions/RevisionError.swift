/// Why a graph cannot be built, a target not resolved, or a plan not made.
///
/// Every case carries what a program needs; `message` says the same to a person, with what to do.
/// Nothing in it is secret: only ids, labels, file names and targets.
package enum RevisionError: Error, Sendable, Equatable {
    // Building the graph.
    case parentLoop(revision: String)
    case dependencyLoop(revision: String)
    /// The revisions form a cycle of parents, in its order.
    case cycle([String])
    /// The same, where at least one link is a `depends_on`.
    case dependencyCycle([String])
    case illegalID(revision: String, characters: [String])
    case duplicateLabel(label: String, revision: String, usedBy: String)
    case missingParent(revision: String, parent: String)
    case missingDependency(revision: String, dependency: String)

    // Finding what a target means.
    case emptyTarget
    case unknownRevision(String)
    case ambiguousPrefix(String, candidates: [String])
    case notInBranch(revision: String, branch: String)
    case multipleHeads(target: String, heads: [String])
    case unknownVersionRow(String)

    // Walking and planning.
    case ambiguousWalk(from: String?, candidates: [String])
    case ambiguousStart(target: String, rows: [String])
    case walkTooShort(target: String)
    /// Counted from the rows against the operation's direction, or by nothing.
    case wrongWay(target: String, Direction)
    case overlapping(revision: String, with: [String])
    case notBelowRows(target: String, rows: [String])
    case branchNotBelowRows(target: String)
    case notAnAncestor(range: String)
    case brokenOrder([String])

    // Moving the version rows.
    case rowMissing(revision: String)
    case rowAlreadyThere(revision: String)
    case rowRepeated(revision: String, count: Int)
    case rowsUnclear(revision: String)

    // What a command refuses.
    case rangeNotAllowed(target: String)
    case rangeNeeded(target: String)
    case rangeUnreadable(target: String)
    case purgeOffline
    case severalStarts([String])
    case notAtHead(rows: [String], heads: [String])
    case missingScript(revision: String, direction: Direction, file: String?)
}

extension RevisionError {
    /// The name of the class of error with which Alembic answers the same question.
    package enum Class: String, Sendable, CaseIterable {
        case revisionError = "RevisionError"
        case resolutionError = "ResolutionError"
        case multipleHeads = "MultipleHeads"
        case rangeNotAncestor = "RangeNotAncestorError"
        case cycleDetected = "CycleDetected"
        case dependencyCycleDetected = "DependencyCycleDetected"
        case loopDetected = "LoopDetected"
        case dependencyLoopDetected = "DependencyLoopDetected"
        case commandError = "CommandError"
        case databaseNotAtHead = "DatabaseNotAtHead"
        /// Alembic breaks down with an internal exception where a link leads nowhere.
        case keyError = "KeyError"
    }

    package var errorClass: Class {
        switch self {
        case .parentLoop: .loopDetected
        case .dependencyLoop: .dependencyLoopDetected
        case .cycle: .cycleDetected
        case .dependencyCycle: .dependencyCycleDetected
        case .missingParent, .missingDependency, .rowMissing: .keyError
        case .emptyTarget, .unknownRevision, .ambiguousPrefix, .notInBranch, .unknownVersionRow:
            .resolutionError
        case .multipleHeads: .multipleHeads
        case .notBelowRows, .notAnAncestor: .rangeNotAncestor
        case .rangeNotAllowed, .rangeNeeded, .rangeUnreadable, .purgeOffline, .severalStarts,
            .missingScript, .rowRepeated:
            .commandError
        case .notAtHead: .databaseNotAtHead
        case .illegalID, .duplicateLabel, .ambiguousWalk, .ambiguousStart, .walkTooShort, .wrongWay,
            .overlapping, .branchNotBelowRows, .brokenOrder, .rowAlreadyThere, .rowsUnclear:
            .revisionError
        }
    }

    /// The error for programs, one word a case.
    package enum Code: String, Sendable, CaseIterable {
        case parentLoop = "parent_loop"
        case dependencyLoop = "dependency_loop"
        case cycle
        case dependencyCycle = "dependency_cycle"
        case illegalRevisionID = "illegal_revision_id"
        case duplicateLabel = "duplicate_label"
        case missingParent = "missing_parent"
        case missingDependency = "missing_dependency"
        case emptyTarget = "empty_target"
        case unknownRevision = "unknown_revision"
        case ambiguousPrefix = "ambiguous_prefix"
        case notInBranch = "not_in_branch"
        case multipleHeads = "multiple_heads"
        case unknownVersionRow = "unknown_version_row"
        case ambiguousWalk = "ambiguous_walk"
        case ambiguousStart = "ambiguous_start"
        case walkTooShort = "walk_too_short"
        case wrongWay = "wrong_way"
        case overlappingRevisions = "overlapping_revisions"
        case notBelowRows = "not_below_rows"
        case branchNotBelowRows = "branch_not_below_rows"
        case notAnAncestor = "not_an_ancestor"
        case brokenOrder = "broken_order"
        case versionRowMissing = "version_row_missing"
        case versionRowAlreadyThere = "version_row_already_there"
        case versionRowRepeated = "version_row_repeated"
        case versionRowsUnclear = "version_rows_unclear"
        case rangeNotAllowed = "range_not_allowed"
        case rangeNeeded = "range_needed"
        case rangeUnreadable = "range_unreadable"
        case purgeOffline = "purge_offline"
        case severalStarts = "several_starts"
        case notAtHead = "not_at_head"
        case noUpgrade = "no_upgrade"
        case noDowngrade = "no_downgrade"
    }

    package var code: Code {
        switch self {
        case .parentLoop: .parentLoop
        case .dependencyLoop: .dependencyLoop
        case .cycle: .cycle
        case .dependencyCycle: .dependencyCycle
        case .illegalID: .illegalRevisionID
        case .duplicateLabel: .duplicateLabel
        case .missingParent: .missingParent
        case .missingDependency: .missingDependency
        case .emptyTarget: .emptyTarget
        case .unknownRevision: .unknownRevision
        case .ambiguousPrefix: .ambiguousPrefix
        case .notInBranch: .notInBranch
        case .multipleHeads: .multipleHeads
        case .unknownVersionRow: .unknownVersionRow
        case .ambiguousWalk: .ambiguousWalk
        case .ambiguousStart: .ambiguousStart
        case .walkTooShort: .walkTooShort
        case .wrongWay: .wrongWay
        case .overlapping: .overlappingRevisions
        case .notBelowRows: .notBelowRows
        case .branchNotBelowRows: .branchNotBelowRows
        case .notAnAncestor: .notAnAncestor
        case .brokenOrder: .brokenOrder
        case .rowMissing: .versionRowMissing
        case .rowAlreadyThere: .versionRowAlreadyThere
        case .rowRepeated: .versionRowRepeated
        case .rowsUnclear: .versionRowsUnclear
        case .rangeNotAllowed: .rangeNotAllowed
        case .rangeNeeded: .rangeNeeded
        case .rangeUnreadable: .rangeUnreadable
        case .purgeOffline: .purgeOffline
        case .severalStarts: .severalStarts
        case .notAtHead: .notAtHead
        case .missingScript(_, .up, _): .noUpgrade
        case .missingScript(_, .down, _): .noDowngrade
        }
    }
}
