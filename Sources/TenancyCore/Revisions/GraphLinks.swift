internal import BitCollections

/// One thing that keeps revisions from forming a graph.
package struct GraphProblem: Equatable {
    /// What a header of a SQL file would call the part that is wrong.
    enum Part: Equatable {
        case id
        case downRevision(String)
        case dependsOn(String)
        case branchLabel(String)
        case cycle
    }

    /// The position of the revision in the order given.
    package let revision: Int
    let part: Part
    package let error: RevisionError
}

/// Links revisions to one another and notes everything that is wrong, in the order in which Alembic
/// would stumble over it.
package struct GraphLinks {
    private(set) var revisions: [Revision] = []
    private(set) var nodes: [RevisionNode] = []
    private(set) var names: [(name: String, node: Int)] = []
    private(set) var nodesByName: [String: Int] = [:]
    private(set) var heads: [String] = []
    private(set) var effectiveHeads: [String] = []
    private(set) var bases: [String] = []
    private(set) var warnings: [String] = []
    package private(set) var problems: [GraphProblem] = []
    /// The position of each kept revision in the order given.
    private var given: [Int] = []

    package init(_ loaded: [Revision]) {
        for (index, revision) in loaded.enumerated() { add(revision, given: index) }
        addLabels(loaded)
        resolveLinks()
        guard problems.isEmpty else { return }
        findCycles()
        guard problems.isEmpty else { return }
        keepOwnDependencies()
        findEnds(loaded)
        spreadLabels()
    }

    /// Alembic's forbidden characters (`_revision_illegal_chars`): targets use them as signs.
    private static let signs: [Character] = ["@", "-", "+", ":"]

    private mutating func add(_ revision: Revision, given index: Int) {
        let id = revision.id
        if revision.downRevisions.contains(id) {
            note(index, .downRevision(id), .parentLoop(revision: id))
        } else if revision.dependsOn.contains(id) {
            note(index, .dependsOn(id), .dependencyLoop(revision: id))
        }
        let illegal = Self.signs.filter { id.contains($0) }.map(String.init)
        if !illegal.isEmpty {
            note(index, .id, .illegalID(revision: id, characters: illegal))
        }
        if let node = nodesByName[id] {
            warnings.append("revision \(id) is present more than once; the last one counts")
            revisions[node] = revision
            given[node] = index
        } else {
            nodesByName[id] = revisions.count
            names.append((id, revisions.count))
            revisions.append(revision)
            given.append(index)
        }
    }

    private mutating func addLabels(_ loaded: [Revision]) {
        for (index, revision) in loaded.enumerated() {
            guard let node = nodesByName[revision.id] else { continue }
            for label in revision.branchLabels {
                if let other = nodesByName[label] {
                    note(
                        index, .branchLabel(label),
                        .duplicateLabel(
                            label: label, revision: revision.id, usedBy: revisions[other].id))
                } else {
                    nodesByName[label] = node
                    names.append((label, node))
                }
            }
        }
    }

    private mutating func resolveLinks() {
        nodes = Array(repeating: RevisionNode(), count: revisions.count)
        for (node, revision) in revisions.enumerated() {
            for name in revision.dependsOn {
                if let other = nodesByName[name] {
                    nodes[node].dependencies.append(unlessThere: other)
                } else {
                    note(
                        given[node], .dependsOn(name),
                        .missingDependency(revision: revision.id, dependency: name))
                }
            }
        }
        for (node, revision) in revisions.enumerated() {
            for name in revision.downRevisions {
                // A label is no parent: Alembic takes ids only.
                if let other = nodesByName[name], revisions[other].id == name {
                    nodes[node].down.append(unlessThere: other)
                } else {
                    note(
                        given[node], .downRevision(name),
                        .missingParent(revision: revision.id, parent: name))
                }
            }
        }
        for (node, links) in nodes.enumerated() {
            for parent in links.down { nodes[parent].children.append(node) }
            for other in links.down { nodes[other].dependents.append(node) }
            for other in links.dependencies where !links.down.contains(other) {
                nodes[other].dependents.append(node)
            }
        }
    }

    private mutating func note(
        _ revision: Int, _ part: GraphProblem.Part, _ error: RevisionError
    ) {
        problems.append(GraphProblem(revision: revision, part: part, error: error))
    }
}

extension GraphLinks {
    private mutating func findCycles() {
        let parents = cycles(nodes.map(\.down))
        for ring in parents {
            note(given[ring[0]], .cycle, .cycle(ring.map { revisions[$0].id }))
        }
        guard parents.isEmpty else { return }
        for ring in cycles(nodes.map { $0.down + $0.dependencies }) {
            note(given[ring[0]], .cycle, .dependencyCycle(ring.map { revisions[$0].id }))
        }
    }

    /// Cycles that share no revision, each in the order of its links. Alembic looks for revisions
    /// that do not lie between a head and a base, and so overlooks a cycle that does.
    private func cycles(_ links: [[Int]]) -> [[Int]] {
        enum Mark { case fresh, open, done }
        var marks = Array(repeating: Mark.fresh, count: links.count)
        var rings: [[Int]] = []
        var ringed = BitSet(reservingCapacity: links.count)
        for start in links.indices where marks[start] == .fresh {
            var path: [(node: Int, next: Int)] = [(start, 0)]
            marks[start] = .open
            while let (node, next) = path.last {
                guard next < links[node].count else {
                    marks[node] = .done
                    path.removeLast()
                    continue
                }
                path[path.count - 1].next += 1
                let other = links[node][next]
                if marks[other] == .fresh {
                    marks[other] = .open
                    path.append((other, 0))
                } else if marks[other] == .open {
                    let ring = path.map(\.node).drop { $0 != other }
                    guard !ring.contains(where: { ringed.contains($0) }) else { continue }
                    for member in ring { ringed.insert(member) }
                    rings.append(Array(ring))
                }
            }
        }
        return rings
    }

    /// A dependency that an ancestor along the parents already has says nothing new
    /// (`_normalize_depends_on`).
    private mutating func keepOwnDependencies() {
        for node in nodes.indices where !nodes[node].dependencies.isEmpty {
            var inherited = BitSet(reservingCapacity: nodes.count)
            var seen = BitSet(reservingCapacity: nodes.count)
            var waiting = nodes[node].down
            while let ancestor = waiting.popLast() {
                guard seen.insert(ancestor).inserted else { continue }
                for other in nodes[ancestor].dependencies { inherited.insert(other) }
                waiting += nodes[ancestor].down
            }
            nodes[node].ownDependencies = nodes[node].dependencies.filter {
                !inherited.contains($0)
            }
        }
    }

    /// Heads and bases. A revision that a later one of the same id displaced still counts as a
    /// head, since nothing links to it any more (`RevisionMap._revision_map`).
    private mutating func findEnds(_ loaded: [Revision]) {
        for (index, revision) in loaded.enumerated() {
            guard let node = nodesByName[revision.id] else { continue }
            let isDisplaced = given[node] != index
            if isDisplaced || nodes[node].children.isEmpty { heads.append(revision.id) }
            if isDisplaced || nodes[node].dependents.isEmpty {
                effectiveHeads.append(revision.id)
            }
            if revision.downRevisions.isEmpty { bases.append(revision.id) }
        }
    }

    /// Labels hold for all descendants along the parents, and from the last of them back down to
    /// the nearest branch point or merge (`_add_branches`).
    private mutating func spreadLabels() {
        for node in nodes.indices { nodes[node].labels = Set(revisions[node].branchLabels) }
        for node in nodes.indices where !revisions[node].branchLabels.isEmpty {
            let labels = nodes[node].labels
            var seen = BitSet(reservingCapacity: nodes.count)
            var waiting = [node]
            var last = node
            while let next = waiting.popLast() {
                guard seen.insert(next).inserted else { continue }
                nodes[next].labels.formUnion(labels)
                last = next
                waiting += nodes[next].children
            }
            while nodes[last].dependents.count <= 1 && nodes[last].down.count <= 1 {
                nodes[last].labels.formUnion(labels)
                guard let parent = nodes[last].down.first else { break }
                last = parent
            }
        }
    }
}

extension [Int] {
    fileprivate mutating func append(unlessThere element: Int) {
        if !contains(element) { append(element) }
    }
}
