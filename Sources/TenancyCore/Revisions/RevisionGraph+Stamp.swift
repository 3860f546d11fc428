extension RevisionGraph {
    /// Moves the version rows to some revisions and runs nothing (`_stamp_revs`).
    ///
    /// For each target: rows above or below it give way to it, else it becomes a row of its own;
    /// `base` deletes the rows of its branch. No targets at all mean `base`. A purge deletes all
    /// rows first, whatever they say, and continues from none.
    package func stamp(
        _ targets: [String], from rows: [String], purge: Bool = false
    ) throws(RevisionError) -> RevisionPlan {
        let start = purge ? [] : rows
        let current = try rowNodes(start)
        let targets = targets.isEmpty ? ["base"] : targets
        var affected: [Int] = []
        for target in targets where !target.isEmpty {
            let related = try filter(current, inLineageOf: target, withDependencies: true)
            affected += related.filter { !affected.contains($0) }
        }
        var places: [Place] = []
        for target in targets { places += try self.places(target) }
        if places.isEmpty { places = [.nowhere] }

        var table = VersionRows(graph: self, rows: start)
        var steps: [PlannedStep] = []
        for place in places {
            switch place {
            case .base: throw .walkTooShort(target: targets.joined(separator: " "))
            case .nowhere:
                for node in affected { steps.append(try table.unstamp(id(node))) }
            case .revision(let node):
                guard !affected.contains(node) else { continue }
                steps.append(try stampStep(node, affected, &table))
            }
        }
        return RevisionPlan(
            purgedVersions: purge ? rows : [], steps: steps, result: table.rows)
    }

    private func stampStep(
        _ node: Int, _ affected: [Int], _ table: inout VersionRows
    ) throws(RevisionError) -> PlannedStep {
        let above = reach([node], .dependents)
        let below = reach([node], .requirements)
        let isBelowRows = affected.contains { above.contains($0) }
        let isAboveRows = affected.contains { below.contains($0) }
        if isBelowRows && isAboveRows { throw .rowsUnclear(revision: id(node)) }
        let replaced = isBelowRows || isAboveRows ? affected.map(id) : []
        return try table.stamp(node, isBelowRows ? .down : .up, replacing: replaced)
    }
}

extension RevisionGraph {
    /// `upgrade --sql`: from nothing, or from the start of a range `from:to`.
    package func offlineUpgrade(_ target: String) throws(RevisionError) -> RevisionPlan {
        guard let range = try offlineRange(target) else { return try upgrade(to: target, from: []) }
        return try upgrade(to: range.to, from: offlineRows(range.from, target))
    }

    /// `downgrade --sql`, which needs a range `from:to`.
    package func offlineDowngrade(_ target: String) throws(RevisionError) -> RevisionPlan {
        guard let range = try offlineRange(target) else { throw .rangeNeeded(target: target) }
        return try downgrade(to: range.to, from: offlineRows(range.from, target))
    }

    /// `stamp --sql`: each target may be a range, but all have to start from one revision.
    package func offlineStamp(
        _ targets: [String], purge: Bool = false
    ) throws(RevisionError) -> RevisionPlan {
        if purge { throw .purgeOffline }
        var start: String?
        var ends: [String] = []
        for target in targets {
            let range = try offlineRange(target)
            if let from = range?.from, from != start {
                if let start { throw .severalStarts([start, from]) }
                start = from
            }
            ends.append(range?.to ?? target)
        }
        let rows = try start.map { from throws(RevisionError) in
            try offlineRows(from, targets.joined(separator: " "))
        }
        return try stamp(ends, from: rows ?? [])
    }

    private func offlineRange(
        _ target: String
    ) throws(RevisionError) -> (from: String, to: String)? {
        let parts = target.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 1 { return nil }
        if parts.count > 2 { throw .rangeUnreadable(target: target) }
        return (String(parts[0]), String(parts[1]))
    }

    /// An offline start stands for one version row. `label@base` is none, and an error.
    private func offlineRows(
        _ start: String, _ target: String
    ) throws(RevisionError) -> [String] {
        if start == "base" { return [] }
        guard let node = try node(start) else { throw .rangeUnreadable(target: target) }
        return [id(node)]
    }
}
