internal import BitCollections

extension RevisionGraph {
    /// Plans an operation from the version rows of a tenant, in the order in which they were read.
    ///
    /// - Throws: the error with which Alembic answers; where Alembic breaks down, one with a reason.
    package func plan(
        _ operation: RevisionOperation, to target: String, from rows: [String]
    ) throws(RevisionError) -> RevisionPlan {
        switch operation {
        case .upgrade: try upgrade(to: target, from: rows)
        case .downgrade: try downgrade(to: target, from: rows)
        case .stamp: try stamp([target], from: rows)
        }
    }

    /// The steps from the rows up to a target. A target at or below the rows needs no steps.
    package func upgrade(
        to target: String, from rows: [String]
    ) throws(RevisionError) -> RevisionPlan {
        if target.contains(":") { throw .rangeNotAllowed(target: target) }
        let targets = try blaming(rows) { () throws(RevisionError) in
            try upgradeTargets(target, from: rows)
        }
        try checkDisjoint(targets)
        let current = try rowNodes(rows)
        try checkDisjoint(current)
        var missing = reach(targets, .requirements)
        missing.subtract(reach(current, .requirements))
        let order = try newestFirst(missing, from: targets).reversed()

        var table = VersionRows(graph: self, rows: rows)
        var steps: [PlannedStep] = []
        for node in order { steps.append(try table.moveUp(node)) }
        return RevisionPlan(steps: steps, result: table.rows)
    }

    /// The steps from the rows down to a target, dependents of what goes included. What the removed
    /// revisions depended on stays.
    package func downgrade(
        to target: String, from rows: [String]
    ) throws(RevisionError) -> RevisionPlan {
        if target.contains(":") { throw .rangeNotAllowed(target: target) }
        let (label, end) = try blaming(rows) { () throws(RevisionError) in
            try downgradeTarget(target, from: rows)
        }
        let roots = try downgradeRoots(end, label, target)
        let current = try rowNodes(rows)
        var leaving = reach(roots, .dependents)
        leaving.formIntersection(reach(current, .requirements))
        if leaving.isEmpty, case .revision(let node) = end, !current.contains(node) {
            throw .notBelowRows(target: target, rows: rows)
        }

        var table = VersionRows(graph: self, rows: rows)
        var steps: [PlannedStep] = []
        for node in try newestFirst(leaving, from: current) {
            steps.append(try table.moveDown(node))
        }
        return RevisionPlan(
            steps: steps, result: table.rows, warnings: ambiguityWarnings(target, rows))
    }

    /// The lowest revisions that have to go: the children of the target, or all bases; with a
    /// label, and only if there is a choice, those that the label's revision includes.
    func downgradeRoots(
        _ end: Place, _ label: String?, _ target: String
    ) throws(RevisionError) -> [Int] {
        let roots: [Int]
        switch end {
        case .revision(let node): roots = nodes[node].children
        case .base, .nowhere:
            // By name, since to Alembic a labelled base is a choice between its id and its label.
            roots = names.map(\.node).filter { nodes[$0].down.isEmpty }
        }
        guard let label, roots.count > 1 else { return roots }
        let included = reach([try branch(label)], .down)
        let kept = roots.filter { included.contains($0) }
        if kept.isEmpty { throw .branchNotBelowRows(target: target) }
        return kept
    }

    private func ambiguityWarnings(_ target: String, _ rows: [String]) -> [String] {
        guard let relative = RelativeTarget(target), relative.symbol == nil,
            relative.label == nil, Set(rows).count > 1
        else { return [] }
        return [
            "'\(target)' is counted from the first of several version rows, \(rows[0]); "
                + "narrow it with label@"
        ]
    }
}

extension RevisionGraph {
    /// The order in which revisions leave, newest first (`_topological_sort`): one line as far down
    /// as possible before the next, ties by load order. From the tips all others can be reached.
    func newestFirst(_ nodeSet: BitSet, from tips: [Int]) throws(RevisionError) -> [Int] {
        var waiting = nodeSet
        var heads = Set(tips.filter { waiting.contains($0) }).sorted()
        var included = heads.map { reach([$0], .requirements) }
        var order: [Int] = []
        var current = 0
        while !heads.isEmpty {
            let node = heads[current]
            // Another head builds on this one, so that one goes first.
            if let other = heads.indices.first(where: {
                $0 != current && included[$0].contains(node)
            }) {
                current = other
                continue
            }
            if waiting.contains(node) {
                order.append(node)
                waiting.remove(node)
            }
            let next = nodes[node].requirements.filter {
                waiting.contains($0) && !heads.contains($0)
            }
            guard let first = next.first else {
                heads.remove(at: current)
                included.remove(at: current)
                current = max(current - 1, 0)
                continue
            }
            heads[current] = first
            if nodes[node].ownDependencies.isEmpty && nodes[node].down.count == 1 {
                included[current].remove(node)
            } else {
                included[current] = reach([first], .requirements)
                heads += next.dropFirst()
                included += next.dropFirst().map { reach([$0], .requirements) }
            }
        }
        if !waiting.isEmpty { throw .brokenOrder(waiting.map(id)) }
        return order
    }
}
