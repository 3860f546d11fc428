extension RevisionGraph {
    /// Whether nothing is missing for `heads`. Heads that others imply need no row of their own.
    package func isAtHead(rows: [String]) throws(RevisionError) -> Bool {
        try pendingCount(rows: rows) == 0
    }

    /// Whether something is missing for `heads`. Rows that the graph does not have count as behind: they
    /// are not at its heads.
    package func isBehind(rows: [String]) -> Bool {
        do throws(RevisionError) {
            return try !isAtHead(rows: rows)
        } catch {
            return true
        }
    }

    /// How many revisions `upgrade heads` would still run.
    package func pendingCount(rows: [String]) throws(RevisionError) -> Int {
        nodes.count - reach(try rowNodes(rows), .requirements).count
    }

    /// Whether the rows include a revision.
    package func isAtOrBeyond(_ revision: String, rows: [String]) throws(RevisionError) -> Bool {
        let node = try identify(revision)
        return reach(try rowNodes(rows), .requirements).contains(node)
    }

    /// What a target means when no tenant is needed: the ids, none for base. `nil` when it is
    /// counted from a tenant's rows.
    ///
    /// - Throws: what can be known to be wrong without a tenant.
    package func resolvedTarget(
        _ operation: RevisionOperation, _ target: String
    ) throws(RevisionError) -> [String]? {
        if target.contains(":") { throw .rangeNotAllowed(target: target) }
        let relative = RelativeTarget(target)
        switch operation {
        case .upgrade:
            if let relative, relative.symbol == nil, relative.steps > 0 {
                if let label = relative.label { _ = try branch(label) }
                return nil
            }
            let targets = try upgradeTargets(target, from: [])
            try checkDisjoint(targets)
            return targets.map(id)
        case .downgrade:
            if let relative, relative.symbol == nil, relative.steps < 0 {
                if let label = relative.label { _ = try branch(label) }
                return nil
            }
            let (label, end) = try downgradeTarget(target, from: [])
            _ = try downgradeRoots(end, label, target)
            if case .revision(let node) = end { return [id(node)] }
            return []
        case .stamp:
            // Alembic resolves no relative target for a stamp once there are rows.
            if relative != nil, nodesByName[target] == nil { throw .unknownRevision(target) }
            return try nodes([target]).map(id)
        }
    }

    /// The steps of a plan that have no statements to run although they are not Python's.
    package func missingScripts(in plan: RevisionPlan) -> [PlannedStep] {
        plan.steps.filter { step in
            guard let revision = self[step.revision] else { return false }
            return revision.script(step.direction) == nil
                && revision.pythonReasons[step.direction] == nil
        }
    }

    /// Refuses an upgrade or downgrade that leads through a revision without the section for it.
    /// Not for stamps, which run nothing.
    package func checkScripts(of plan: RevisionPlan) throws(RevisionError) {
        guard let step = missingScripts(in: plan).first else { return }
        throw .missingScript(
            revision: step.revision, direction: step.direction, file: self[step.revision]?.file)
    }
}
