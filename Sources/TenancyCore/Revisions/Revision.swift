/// One revision: its place in the graph and what it runs.
public struct Revision: Sendable, Equatable {
    /// What runs the revision's steps.
    public enum Engine: String, Sendable, CaseIterable {
        /// The statements are known and are sent to PostgreSQL as they are.
        case sql
        /// The steps need Alembic itself, with a live connection.
        case python
    }

    public let id: String
    /// Ids of the parents: none for a base, several for a merge.
    public let downRevisions: [String]
    /// Ids or branch labels of revisions that must be there first without being parents.
    public let dependsOn: [String]
    /// The labels that the revision itself declares, not those it inherits.
    public let branchLabels: [String]
    public let message: String?
    /// `nil` when there is nothing that could run: no section in the file, or a Python step.
    public let upgrade: StepScript?
    public let downgrade: StepScript?
    /// The file's name without its folder, as people are shown it.
    public let file: String?
    /// SHA-256 of the content with line ends normalised, in lower case hex; empty if not known.
    public let checksum: String
    public let engine: Engine

    public init(
        id: String, downRevisions: [String] = [], dependsOn: [String] = [],
        branchLabels: [String] = [], message: String? = nil, upgrade: StepScript? = nil,
        downgrade: StepScript? = nil, file: String? = nil, checksum: String = "",
        engine: Engine = .sql
    ) {
        self.id = id
        self.downRevisions = downRevisions
        self.dependsOn = dependsOn
        self.branchLabels = branchLabels
        self.message = message
        self.upgrade = upgrade
        self.downgrade = downgrade
        self.file = file
        self.checksum = checksum
        self.engine = engine
    }
}

/// What a migration source loads: a sound graph, and what its author should hear about it.
public struct RevisionSet: Sendable {
    public let graph: RevisionGraph
    /// Sentences for the operator. None of them makes the graph unusable.
    public let warnings: [String]

    public init(graph: RevisionGraph, warnings: [String] = []) {
        self.graph = graph
        self.warnings = warnings
    }
}
