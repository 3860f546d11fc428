internal import BitCollections

extension RevisionGraph {
    /// The rows and every revision that they include and that is a tip along the parents, sorted:
    /// one that is only implied by `depends_on` is shown although it has no row (`current`).
    package func current(_ rows: [String]) throws(RevisionError) -> [String] {
        try currentTips(rows).map(id).sorted()
    }

    /// The same, after insisting that the rows are the heads (`current --check-heads`). Heads that
    /// others only depend on count, so after `upgrade heads` this can still fail.
    package func checkHeads(_ rows: [String]) throws(RevisionError) -> [String] {
        if Set(rows) != Set(heads) { throw .notAtHead(rows: rows, heads: heads) }
        return try current(rows)
    }

    func currentTips(_ rows: [String]) throws(RevisionError) -> [Int] {
        let included = reach(try rowNodes(rows), .requirements)
        // Members include all their parents, so a tip is one whose children are no members.
        return included.filter { node in
            !nodes[node].children.contains { included.contains($0) }
        }
    }

    /// The revisions of a range `a:b`, newest first (`history`). An empty `a` is the base, an empty
    /// `b` the heads, and `current` on one side the version rows; without a range, all.
    package func history(
        _ range: String? = nil, rows: [String] = []
    ) throws(RevisionError) -> [String] {
        guard let range else { return try history(from: .name("base"), to: .name("heads"), "") }
        let trimmed = range.drop { $0.isWhitespace }
        let parts = trimmed.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw .rangeUnreadable(target: range) }
        var lower = RangeEnd.name(parts[0].isEmpty ? "base" : String(parts[0]))
        var upper = RangeEnd.name(parts[1].isEmpty ? "heads" : String(parts[1]))
        if upper == .name("current") {
            upper = rows.isEmpty ? .name("heads") : .rows(rows)
        } else if lower == .name("current") {
            lower = rows.isEmpty ? .name("base") : .rows(rows)
        }
        return try history(from: lower, to: upper, range)
    }

    private enum RangeEnd: Equatable {
        case name(String)
        case rows([String])

        var names: [String] {
            switch self {
            case .name(let name): [name]
            case .rows(let rows): rows
            }
        }
    }

    /// `_collect_upgrade_revisions` with `inclusive` and without `implicit_base`.
    private func history(
        from lower: RangeEnd, to upper: RangeEnd, _ range: String
    ) throws(RevisionError) -> [String] {
        var targets: [Int]
        switch upper {
        case .name(let name):
            targets = try upgradeTargets(name, from: lower.names, stopsAtEdge: true)
        case .rows(let rows): targets = try rowNodes(rows)
        }
        if case .name(let name) = lower, name.contains("@") {
            let label = try labelOfRange(name)
            targets.removeAll { !nodes[$0].labels.contains(label) }
        }
        try checkDisjoint(targets)
        let required = reach(targets, .requirements)

        let start = try historyStart(lower, upper, range, required)
        try checkDisjoint(start)
        var needed = required
        needed.subtract(reach(start, .requirements))
        for node in start { needed.insert(node) }
        if !start.isEmpty {
            try checkDisjoint(start, .children)
            needed.formIntersection(reach(start, .children))
        }
        return try newestFirst(needed, from: targets).map(id)
    }

    private func historyStart(
        _ lower: RangeEnd, _ upper: RangeEnd, _ range: String, _ required: BitSet
    ) throws(RevisionError) -> [Int] {
        var places: [Place] = []
        for name in lower.names { places += try self.places(name) }
        for place in places {
            switch place {
            case .revision(let node) where required.contains(node): continue
            case .nowhere: continue
            case .revision, .base: throw .notAnAncestor(range: range)
            }
        }
        // A start that was counted out of the graph is counted again from the range's upper end.
        if places.first == .nowhere, case .name(let name) = lower {
            let end = try downgradeTarget(name, from: upper.names, stopsAtEdge: true)
            places = end.place == .base ? [] : [end.place]
        }
        var start: [Int] = []
        for place in places {
            guard case .revision(let node) = place else { throw .notAnAncestor(range: range) }
            start.append(node)
        }
        return start
    }

    /// The label before the `@`; for an id, its only label.
    private func labelOfRange(_ name: String) throws(RevisionError) -> String {
        let label = String(name.prefix { $0 != "@" })
        guard let node = try node(label), id(node) == label else { return label }
        guard let only = nodes[node].labels.first, nodes[node].labels.count == 1 else {
            throw .notInBranch(revision: label, branch: name)
        }
        return only
    }
}
