/// One revision: its place in the graph and what it runs.
package struct Revision: Sendable, Equatable {
    /// What runs the revision's steps.
    package enum Engine: String, Sendable, CaseIterable {
        /// The statements are known and are sent to PostgreSQL as they are.
        case sql
        /// The steps need Alembic itself, with a live connection.
        case python
    }

    package let id: String
    /// Ids of the parents: none for a base, several for a merge.
    package let downRevisions: [String]
    /// Ids or branch labels of revisions that must be there first without being parents.
    package let dependsOn: [String]
    /// The labels that the revision itself declares, not those it inherits.
    package let branchLabels: [String]
    package let message: String?
    /// `nil` when there are no statements to send: no section in the file, or a Python step. Where the
    /// statements depend on the server, those for the newest.
    package let upgrade: StepScript?
    package let downgrade: StepScript?
    /// The file's name without its folder, as people are shown it.
    package let file: String?
    /// SHA-256 of the content with line ends normalised, in lower case hex; empty if not known.
    package let checksum: String
    /// Why Alembic itself has to run a direction.
    package let pythonReasons: [Direction: String]
    /// Directions whose statements depend on the server's version. Servers that none of the variants is
    /// for are left to Alembic.
    package let variants: [Direction: [ServerVariant]]

    package init(
        id: String, downRevisions: [String] = [], dependsOn: [String] = [],
        branchLabels: [String] = [], message: String? = nil, upgrade: StepScript? = nil,
        downgrade: StepScript? = nil, file: String? = nil, checksum: String = "",
        pythonReasons: [Direction: String] = [:], variants: [Direction: [ServerVariant]] = [:]
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
        self.pythonReasons = pythonReasons
        self.variants = variants
    }
}

extension Revision {
    /// What runs the revision; Python where it does so in one direction at least.
    package var engine: Engine { pythonReasons.isEmpty ? .sql : .python }

    /// The statements of a direction; where they depend on the server, those for the newest.
    package func script(_ direction: Direction) -> StepScript? {
        direction == .up ? upgrade : downgrade
    }
}

/// What a migration source loads: a sound graph, and what its author should hear about it.
package struct RevisionSet: Sendable {
    package let graph: RevisionGraph
    /// Sentences for the operator. None of them makes the graph unusable.
    package let warnings: [String]
    package let versionTable: VersionTableName

    package init(
        graph: RevisionGraph, warnings: [String] = [], versionTable: VersionTableName = .standard
    ) {
        self.graph = graph
        self.versionTable = versionTable
        self.warnings = warnings
    }
}
