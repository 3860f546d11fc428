internal import BitCollections

extension RevisionGraph {
    /// Goes a number of steps up the children (positive) or down the parents (negative); on the way
    /// up only through the label's lineage (`RevisionMap._walk`).
    ///
    /// One step below a base is `base`, any other way out of the graph `nowhere`; with
    /// `stopsAtEdge` the walk stays at the last place instead. From `nowhere` a walk up begins at
    /// the bases, and a walk down at the heads.
    func walk(
        from start: Place, steps: Int, label: String? = nil, stopsAtEdge: Bool = false
    ) throws(RevisionError) -> Place {
        var here = start
        for _ in 0..<abs(steps) {
            let ways = steps > 0 ? try waysUp(from: here, label) : waysDown(from: here)
            guard let next = ways.first else { return stopsAtEdge ? here : .nowhere }
            if ways.count > 1 { throw ambiguity(at: here, ways) }
            here = next
        }
        return here
    }

    private func waysUp(from place: Place, _ label: String?) throws(RevisionError) -> [Place] {
        var next: [Int]
        switch place {
        case .revision(let node): next = nodes[node].children
        case .base, .nowhere: next = bases.compactMap { nodesByName[$0] }
        }
        if let label { next = try filter(next, inLineageOf: label) }
        return next.map { .revision($0) }
    }

    private func waysDown(from place: Place) -> [Place] {
        switch place {
        case .revision(let node):
            let parents = nodes[node].down
            return parents.isEmpty ? [.base] : parents.map { .revision($0) }
        case .base: return []
        case .nowhere:
            return heads.isEmpty
                ? [.base] : heads.compactMap { nodesByName[$0] }.map { .revision($0) }
        }
    }

    private func ambiguity(at place: Place, _ ways: [Place]) -> RevisionError {
        func name(_ place: Place) -> String? {
            if case .revision(let node) = place { id(node) } else { nil }
        }
        return .ambiguousWalk(from: name(place), candidates: ways.compactMap(name))
    }

    /// The revisions to upgrade to (`_parse_upgrade_target`).
    func upgradeTargets(
        _ target: String, from rows: [String], stopsAtEdge: Bool = false
    ) throws(RevisionError) -> [Int] {
        guard let relative = RelativeTarget(target) else { return try nodes([target]) }
        let start: Place
        switch (relative.symbol, relative.label) {
        case (nil, _) where relative.steps <= 0: throw .wrongWay(target: target, .up)
        case (nil, let label): start = try upgradeStart(target, label, rows)
        case (let symbol?, let label?) where relative.steps <= 0:
            start = place(try node("\(label)@\(symbol)"))
        case (let symbol?, _): start = place(try node(symbol))
        }
        let end = try walk(
            from: start, steps: relative.steps, label: relative.label, stopsAtEdge: stopsAtEdge)
        guard case .revision(let node) = end else { throw .walkTooShort(target: target) }
        return [node]
    }

    /// Where `+N` and `label@+N` are counted from: the only row, or the only one in the branch, or
    /// the only tip in the branch of what the rows include.
    private func upgradeStart(
        _ target: String, _ label: String?, _ rows: [String]
    ) throws(RevisionError) -> Place {
        guard let label else {
            if rows.count > 1 { throw .ambiguousStart(target: target, rows: rows) }
            guard let row = rows.first else { return .nowhere }
            return place(try node(row))
        }
        let current = try nodes(rows)
        var starts = try filter(current, inLineageOf: label)
        if starts.isEmpty {
            let active = try filter(
                Array(reach(current, .requirements)), inLineageOf: label)
            let covered = Set(active.flatMap { nodes[$0].requirements })
            starts = active.filter { !covered.contains($0) }
        }
        if starts.count > 1 { throw .ambiguousStart(target: target, rows: starts.map(id)) }
        return place(starts.first)
    }

    /// The place to downgrade to, and the branch to which the downgrade is confined
    /// (`_parse_downgrade_target`).
    func downgradeTarget(
        _ target: String, from rows: [String], stopsAtEdge: Bool = false
    ) throws(RevisionError) -> (label: String?, place: Place) {
        guard let relative = RelativeTarget(target) else {
            guard let at = target.lastIndex(of: "@") else { return (nil, place(try node(target))) }
            let label = String(target[..<at])
            let end = place(try node(String(target[target.index(after: at)...])))
            return (label.isEmpty ? nil : label, end)
        }
        var label = relative.label
        let start: Place
        if let symbol = relative.symbol {
            let isQualified = relative.steps < 0 && label != nil
            start = place(try node(isQualified ? "\(label ?? "")@\(symbol)" : symbol))
        } else if relative.steps < 0 {
            start = place(try downgradeStart(target, label, rows))
            label = label ?? rows.first
        } else {
            throw .wrongWay(target: target, .down)
        }
        let end = try walk(
            from: start, steps: relative.steps, label: relative.steps > 0 ? label : nil,
            stopsAtEdge: stopsAtEdge)
        if end == .nowhere { throw .walkTooShort(target: target) }
        return (label, end)
    }

    /// Where `-N` and `label@-N` are counted from: the first row as read, or the only one in the
    /// branch, or the only current tip in the branch.
    private func downgradeStart(
        _ target: String, _ label: String?, _ rows: [String]
    ) throws(RevisionError) -> Int? {
        guard let label else {
            guard let row = rows.first else { throw .walkTooShort(target: target) }
            // Alembic takes the row as its own branch, which refuses the symbols of a range.
            return try node("\(row)@\(row)")
        }
        var starts = try filter(identify(rows), inLineageOf: label)
        if starts.isEmpty { starts = try filter(currentTips(rows), inLineageOf: label) }
        guard starts.count == 1 else {
            throw .ambiguousStart(target: target, rows: starts.map(id))
        }
        return try node("\(label)@\(id(starts[0]))")
    }

    private func place(_ node: Int?) -> Place {
        node.map { .revision($0) } ?? .nowhere
    }
}
