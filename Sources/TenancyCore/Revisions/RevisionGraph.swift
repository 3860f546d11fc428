internal import BitCollections

/// The revisions of a source and how they hang together, built and checked once.
///
/// The rules are Alembic's (`alembic.script.revision.RevisionMap`): several heads, branches,
/// merges, labels, `depends_on`, partial ids and relative targets all mean what they mean there.
/// Where Alembic leaves a choice to the order of a Python set, the declared order decides here.
package struct RevisionGraph: Sendable {
    /// In load order; of two with the same id, the later one in the earlier one's place.
    package let revisions: [Revision]
    /// The revisions that are nobody's parent, in load order. An id that was loaded twice can stand
    /// here twice, as with Alembic, which makes `head` ambiguous.
    package let heads: [String]
    /// The revisions that are nobody's parent and that nobody depends on.
    package let effectiveHeads: [String]
    /// The revisions without a parent, in load order.
    package let bases: [String]
    /// Sentences for the operator about what Alembic accepts and a person should hear of.
    package let warnings: [String]

    /// What hangs on each revision, in the order of `revisions`.
    let nodes: [RevisionNode]
    /// Ids first, then labels, each in load order. The order decides which prefix match is named.
    let names: [(name: String, node: Int)]
    let nodesByName: [String: Int]

    /// Builds a graph from revisions in load order.
    ///
    /// - Throws: the first thing that Alembic would stop at: a loop or a cycle, an id with `@`,
    ///   `-`, `+` or `:`, a label used twice, a parent or dependency that is not there.
    package init(_ revisions: [Revision]) throws(RevisionError) {
        let links = GraphLinks(revisions)
        if let problem = links.problems.first { throw problem.error }
        self.revisions = links.revisions
        heads = links.heads
        effectiveHeads = links.effectiveHeads
        bases = links.bases
        warnings = links.warnings
        nodes = links.nodes
        names = links.names
        nodesByName = links.nodesByName
    }

    /// The revision with exactly this id.
    package subscript(id: String) -> Revision? {
        guard let node = nodesByName[id], revisions[node].id == id else { return nil }
        return revisions[node]
    }

    /// The revision itself and everything that it builds on, dependencies included, in load order;
    /// empty for an id that is not there.
    package func ancestors(of id: String) -> [String] {
        guard let node = nodesByName[id] else { return [] }
        return reach([node], .requirements).map { revisions[$0].id }
    }

    /// The revision's id.
    package func id(_ node: Int) -> String { revisions[node].id }
}

/// The links of one revision, as positions in load order.
struct RevisionNode: Sendable, Equatable {
    /// The declared parents.
    var down: [Int] = []
    /// The declared dependencies, labels replaced by their revisions.
    var dependencies: [Int] = []
    /// The dependencies that no ancestor along `down` already has.
    var ownDependencies: [Int] = []
    /// Those whose parent this is.
    var children: [Int] = []
    /// Those whose parent or dependency this is.
    var dependents: [Int] = []
    /// The declared labels and those inherited along the branch.
    var labels: Set<String> = []

    /// What must be there first: parents, then own dependencies. Version rows move along these.
    var requirements: [Int] {
        ownDependencies.isEmpty ? down : down + ownDependencies.filter { !down.contains($0) }
    }
}

extension RevisionGraph {
    /// The four ways in which one revision leads to others.
    enum Link {
        case down
        case requirements
        case children
        case dependents
    }

    /// Everything that can be reached from some revisions, themselves included.
    func reach(_ starts: some Sequence<Int>, _ link: Link) -> BitSet {
        var seen = BitSet(reservingCapacity: nodes.count)
        var waiting = starts.filter { seen.insert($0).inserted }
        while let node = waiting.popLast() {
            let next =
                switch link {
                case .down: nodes[node].down
                case .requirements: nodes[node].requirements
                case .children: nodes[node].children
                case .dependents: nodes[node].dependents
                }
            for other in next where seen.insert(other).inserted { waiting.append(other) }
        }
        return seen
    }

    /// Refuses revisions of which one already includes another.
    func checkDisjoint(_ starts: [Int], _ link: Link = .requirements) throws(RevisionError) {
        guard starts.count > 1 else { return }
        for start in starts {
            let reached = reach([start], link)
            let others = starts.filter { $0 != start && reached.contains($0) }
            if !others.isEmpty {
                throw .overlapping(revision: id(start), with: others.map(id))
            }
        }
    }
}
