/// What a name or a walk leads to.
package enum ResolvedRevision: Sendable, Equatable {
    case revision(String)
    /// Below the first revision.
    case base
    /// Outside the graph.
    case nowhere
}

extension RevisionGraph {
    /// A place in the graph; `nowhere` is also where a walk starts that starts at no revision.
    enum Place: Equatable {
        case revision(Int)
        case base
        case nowhere
    }

    /// The revisions that a name means: an id or prefix, `head`, `heads`, `base`, `label@...`.
    /// `-N` and `label@-N` are counted from the effective heads. Nothing for `base`.
    package func resolve(_ target: String) throws(RevisionError) -> [ResolvedRevision] {
        try places(target).map { place in
            switch place {
            case .revision(let node): .revision(id(node))
            case .base: .base
            case .nowhere: .nowhere
            }
        }
    }

    /// The one revision that a name means; `nil` for `base`, or for `head` of an empty graph.
    package func resolveOne(_ target: String) throws(RevisionError) -> String? {
        try node(target).map(id)
    }

    /// `RevisionMap.get_revisions`.
    func places(_ target: String) throws(RevisionError) -> [Place] {
        let (ids, label) = try expand(target)
        if ids.count == 1, let steps = Self.stepsDown(ids[0]) {
            var tops = try identify(effectiveHeads)
            if let label { tops.removeAll { !nodes[$0].labels.contains(label) } }
            var places: [Place] = []
            for top in tops { places.append(try walk(from: .revision(top), steps: -steps)) }
            return places
        }
        return try identify(ids, label).map { .revision($0) }
    }

    /// The revisions of several names; a name that leads out of the graph is an error.
    func nodes(_ targets: [String]) throws(RevisionError) -> [Int] {
        var found: [Int] = []
        for target in targets {
            for place in try places(target) {
                guard case .revision(let node) = place else {
                    throw .walkTooShort(target: target)
                }
                found.append(node)
            }
        }
        return found
    }

    /// The revisions of the version rows. A row may be abbreviated, as with Alembic, until a step
    /// has to move it.
    func rowNodes(_ rows: [String]) throws(RevisionError) -> [Int] {
        try blaming(rows) { () throws(RevisionError) in try nodes(rows) }
    }

    /// Tells an unknown version row from an unknown target.
    func blaming<Answer>(
        _ rows: [String], _ answer: () throws(RevisionError) -> Answer
    ) throws(RevisionError) -> Answer {
        do throws(RevisionError) {
            return try answer()
        } catch {
            if case .unknownRevision(let name) = error, rows.contains(name) {
                throw .unknownVersionRow(name)
            }
            throw error
        }
    }

    /// `RevisionMap.get_revision`.
    func node(_ target: String) throws(RevisionError) -> Int? {
        let (ids, label) = try expand(target)
        if ids.count > 1 { throw .multipleHeads(target: target, heads: ids) }
        guard let id = ids.first else {
            if let label, !label.isEmpty { _ = try branch(label) }
            return nil
        }
        return try identify(id, label)
    }

    /// Replaces the symbols by ids and splits `label@` off at the first `@`
    /// (`_resolve_revision_number`).
    private func expand(
        _ target: String
    ) throws(RevisionError) -> (ids: [String], label: String?) {
        let parts = target.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let label = parts.count == 2 ? String(parts[0]) : nil
        let symbol = String(parts[parts.count - 1])
        let named = label.flatMap { $0.isEmpty ? nil : $0 }
        switch symbol {
        case "heads":
            guard let named else { return (effectiveHeads, label) }
            return (try filter(identify(heads), inLineageOf: named).map(id), label)
        case "head":
            var tips = heads
            if let named { tips = try filter(identify(heads), inLineageOf: named).map(id) }
            if tips.count > 1 { throw .multipleHeads(target: target, heads: tips) }
            return (tips, label)
        case "base": return ([], label)
        default: return ([symbol], label)
        }
    }

    func identify(
        _ ids: [String], _ label: String? = nil
    ) throws(RevisionError) -> [Int] {
        var found: [Int] = []
        for id in ids { found.append(try identify(id, label)) }
        return found
    }

    /// One identifier: exact, else the only name longer than three characters that starts with it
    /// (`_revision_for_ident`). With a label it must lie in that branch.
    func identify(_ name: String, _ label: String? = nil) throws(RevisionError) -> Int {
        let label = label.flatMap { $0.isEmpty ? nil : $0 }
        let tip = if let label { try branch(label) } else { Int?.none }
        var found = nodesByName[name]
        if found == nil { found = try onlyMatch(name, label) }
        guard let node = found else { throw .unknownRevision(name) }
        if let label, let tip, !sharesLineage(node, with: [tip]) {
            throw .notInBranch(revision: id(node), branch: label)
        }
        return node
    }

    private func onlyMatch(_ prefix: String, _ label: String?) throws(RevisionError) -> Int? {
        if prefix.isEmpty { throw .emptyTarget }
        var matches = names.filter {
            $0.name.unicodeScalars.count > 3 && $0.name.utf8.starts(with: prefix.utf8)
        }
        if let label {
            let inLineage = try filter(matches.map(\.node), inLineageOf: label)
            matches.removeAll { !inLineage.contains($0.node) }
        }
        if matches.count > 1 {
            throw .ambiguousPrefix(prefix, candidates: matches.map(\.name))
        }
        return matches.first?.node
    }

    /// The revision of a label, an id or a prefix.
    func branch(_ label: String) throws(RevisionError) -> Int { try identify(label) }

    /// The revisions that are ancestors or descendants of what a name means; all of them when it
    /// means `base` (`filter_for_lineage`).
    package func filter(
        _ candidates: [Int], inLineageOf name: String, withDependencies: Bool = false
    ) throws(RevisionError) -> [Int] {
        let (ids, label) = try expand(name)
        guard !candidates.isEmpty else { return [] }
        let labels = label.map { $0.isEmpty ? [] : [$0] } ?? []
        let tips = try identify(labels + ids)
        if tips.isEmpty { return candidates }
        return candidates.filter {
            sharesLineage($0, with: tips, withDependencies: withDependencies)
        }
    }

    private func sharesLineage(
        _ node: Int, with tips: [Int], withDependencies: Bool = false
    ) -> Bool {
        let above = reach([node], withDependencies ? .dependents : .children)
        let below = reach([node], withDependencies ? .requirements : .down)
        return tips.contains { above.contains($0) || below.contains($0) }
    }

    private static func stepsDown(_ id: String) -> Int? {
        guard id.first == "-", let relative = RelativeTarget(id), relative.symbol == nil else {
            return nil
        }
        // Unlike in a relative target nothing may follow the digits.
        let isNumber = id.unicodeScalars.dropFirst().allSatisfy {
            $0.properties.generalCategory == .decimalNumber
        }
        return isNumber && relative.steps < 0 ? -relative.steps : nil
    }
}
