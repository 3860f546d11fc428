extension RevisionError: CustomStringConvertible {
    package var description: String { message }

    /// One or two sentences for a person: what is wrong, where, and what to do about it.
    package var message: String {
        switch self {
        case .parentLoop, .dependencyLoop, .cycle, .dependencyCycle, .illegalID, .duplicateLabel,
            .missingParent, .missingDependency:
            graphMessage
        case .emptyTarget, .unknownRevision, .ambiguousPrefix, .notInBranch, .multipleHeads,
            .unknownVersionRow:
            targetMessage
        case .ambiguousWalk, .ambiguousStart, .walkTooShort, .wrongWay, .overlapping, .notBelowRows,
            .branchNotBelowRows, .notAnAncestor, .brokenOrder:
            planMessage
        case .rowMissing, .rowAlreadyThere, .rowRepeated, .rowsUnclear, .rangeNotAllowed,
            .rangeNeeded,
            .rangeUnreadable, .purgeOffline, .severalStarts, .notAtHead, .missingScript:
            commandMessage
        }
    }

    private var graphMessage: String {
        switch self {
        case .parentLoop(let revision):
            "revision \(revision) names itself as its down_revision; name its parent"
        case .dependencyLoop(let revision):
            "revision \(revision) depends on itself; take its own id out of depends_on"
        case .cycle(let revisions):
            "the revisions \(path(revisions)) form a cycle; correct one down_revision"
        case .dependencyCycle(let revisions):
            "the revisions \(path(revisions)) depend on one another in a cycle; "
                + "take one depends_on out"
        case .illegalID(let revision, let characters):
            "revision id '\(revision)' holds \(list(characters)), which targets use as signs; "
                + "use letters, digits and underscores"
        case .duplicateLabel(let label, let revision, let usedBy):
            "branch label '\(label)' of revision \(revision) is already used by revision "
                + "\(usedBy); a label belongs to one revision and is not an id"
        case .missingParent(let revision, let parent):
            "revision \(revision) names the down_revision '\(parent)', which is not there; "
                + "add its file or correct the id (it must be whole)"
        case .missingDependency(let revision, let dependency):
            "revision \(revision) depends on '\(dependency)', which is not there; "
                + "add its file or correct the id or label (it must be whole)"
        default: ""
        }
    }

    private var targetMessage: String {
        switch self {
        case .emptyTarget:
            "the target is empty; name a revision, or head, heads or base"
        case .unknownRevision(let target):
            "no revision or branch '\(target)'; give an id, the beginning of an id that is longer "
                + "than three characters, or a branch label"
        case .ambiguousPrefix(let prefix, let candidates):
            "several revisions start with '\(prefix)': \(list(candidates)); give more characters"
        case .notInBranch(let revision, let branch):
            "revision \(revision) is not a member of branch '\(branch)'; "
                + "name a revision above or below it"
        case .multipleHeads(let target, let heads):
            "'\(target)' is not one revision, there are several heads: \(list(heads)); name one of "
                + "them, narrow it with label@head, or use 'heads' for all of them"
        case .unknownVersionRow(let row):
            "the version table names revision '\(row)', which these migrations do not have; "
                + "load the release that has it, or stamp the tenant"
        default: ""
        }
    }

    private var planMessage: String {
        switch self {
        case .ambiguousWalk(let start, let candidates):
            "more than one way leads on from \(start ?? "base"): \(list(candidates)); "
                + "name the revision, or narrow the way with label@"
        case .ambiguousStart(let target, let rows):
            "'\(target)' is counted from one revision, but several are possible: \(list(rows)); "
                + "narrow it with label@, or name the target revision"
        case .walkTooShort(let target):
            "'\(target)' leads out of the graph: there are not that many revisions that way"
        case .wrongWay(let target, .up):
            "'\(target)' does not count upwards from the version rows, so it is no target for an "
                + "upgrade; write +1 or more, or name a revision"
        case .wrongWay(let target, .down):
            "'\(target)' does not count downwards from the version rows, so it is no target for a "
                + "downgrade; write -1 or more, or name a revision"
        case .overlapping(let revision, let others):
            "revision \(revision) already includes \(list(others)); "
                + "neither targets nor version rows may lie below one another"
        case .notBelowRows(let target, let rows):
            "'\(target)' is not below the current revision \(list(rows)), so there is nothing to "
                + "downgrade to it"
        case .branchNotBelowRows(let target):
            "no revision above '\(target)' belongs to the branch that it names"
        case .notAnAncestor(let range):
            "the range '\(range)' does not lead from a revision up to one of its descendants"
        case .brokenOrder(let revisions):
            "no order can be found for the revisions \(list(revisions)) from this target"
        default: ""
        }
    }

    private var commandMessage: String {
        switch self {
        case .rowMissing(let revision):
            "the version table has no row '\(revision)', which this step would change; "
                + "correct the rows with a stamp"
        case .rowAlreadyThere(let revision):
            "the version table already has the row '\(revision)', which this step would write; "
                + "correct the rows with a stamp"
        case .rowRepeated(let revision, let count):
            "the version table has the row '\(revision)' \(count) times; leave one, and give the "
                + "table its primary key on version_num"
        case .rowsUnclear(let revision):
            "the version rows do not say which one revision \(revision) moves; "
                + "correct them with a stamp"
        case .rangeNotAllowed(let target):
            "'\(target)' is a range, which only the offline form takes; name one target"
        case .rangeNeeded(let target):
            "offline, '\(target)' does not say where to start; write from:to"
        case .rangeUnreadable(let target):
            "'\(target)' is not a range; write from:to, with exactly one colon"
        case .purgeOffline:
            "purge needs the version table and cannot be used offline"
        case .severalStarts(let starts):
            "a stamp starts from one revision, but several are given: \(list(starts))"
        case .notAtHead(let rows, let heads):
            "the version rows are \(list(rows)), the heads \(list(heads))"
        case .missingScript(let revision, .up, let file):
            "revision \(revision)\(place(file)) has no upgrade section"
        case .missingScript(let revision, .down, let file):
            "revision \(revision)\(place(file)) has no downgrade section, so nothing below it can "
                + "be reached; add the section, or restore from a backup"
        default: ""
        }
    }

    private func list(_ items: [String]) -> String {
        if items.isEmpty { return "none" }
        let shown = items.prefix(10).joined(separator: ", ")
        return items.count > 10 ? "\(shown) and \(items.count - 10) more" : shown
    }

    private func path(_ ring: [String]) -> String {
        (ring.prefix(20) + ring.prefix(1)).joined(separator: " -> ")
    }

    private func place(_ file: String?) -> String {
        file.map { " (\($0))" } ?? ""
    }
}
