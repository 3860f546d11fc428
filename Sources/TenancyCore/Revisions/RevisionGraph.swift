/// The revisions and how they hang together. (Placeholder bodies follow in the next change.)
public struct RevisionGraph: Sendable {
    /// In load order; of two with the same id, the later one in the earlier one's place.
    public let revisions: [Revision]
    public var heads: [String] { [] }
    public var effectiveHeads: [String] { [] }
    public var bases: [String] { [] }
    public var warnings: [String] { [] }

    public init(_ revisions: [Revision]) throws(RevisionError) { self.revisions = revisions }

    /// The revision with exactly this id.
    public subscript(id: String) -> Revision? { nil }
    public func ancestors(of id: String) -> [String] { [] }
    public func isAtOrBeyond(_ revision: String, rows: [String]) throws(RevisionError) -> Bool {
        throw .emptyTarget
    }
    public func isAtHead(rows: [String]) throws(RevisionError) -> Bool { throw .emptyTarget }
    public func pendingCount(rows: [String]) throws(RevisionError) -> Int { throw .emptyTarget }

    public func plan(
        _ operation: RevisionOperation, to target: String, from rows: [String]
    ) throws(RevisionError) -> RevisionPlan { throw .emptyTarget }
    public func upgrade(
        to target: String, from rows: [String]
    ) throws(RevisionError) -> RevisionPlan { throw .emptyTarget }
    public func downgrade(
        to target: String, from rows: [String]
    ) throws(RevisionError) -> RevisionPlan { throw .emptyTarget }
    public func stamp(
        _ targets: [String], from rows: [String], purge: Bool = false
    ) throws(RevisionError) -> RevisionPlan { throw .emptyTarget }
    public func offlineUpgrade(_ target: String) throws(RevisionError) -> RevisionPlan {
        throw .emptyTarget
    }
    public func offlineDowngrade(_ target: String) throws(RevisionError) -> RevisionPlan {
        throw .emptyTarget
    }
    public func offlineStamp(
        _ targets: [String], purge: Bool = false
    ) throws(RevisionError) -> RevisionPlan { throw .emptyTarget }

    /// What a target means when no tenant is needed; `nil` for one that is counted from its rows.
    public func resolvedTarget(
        _ operation: RevisionOperation, _ target: String
    ) throws(RevisionError) -> [String]? { throw .emptyTarget }
    public func missingScripts(in plan: RevisionPlan) -> [PlannedStep] { [] }
    public func checkScripts(of plan: RevisionPlan) throws(RevisionError) {}
}
