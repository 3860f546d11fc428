/// An enumeration or a domain that SQLAlchemy makes where a table needs it, once in a run of Alembic.
///
/// SQLAlchemy remembers for the length of a run which types it has named, and emits no second CREATE
/// TYPE. So whether a step's statement runs depends on the steps that run before it.
package struct NamedType: Hashable, Sendable {
    /// What SQLAlchemy calls the list in which it remembers the type.
    package let kind: String
    /// The schema that the migration itself names, perhaps with a place for the tenant's.
    package let schema: String?
    package let name: String

    package init(kind: String, schema: String?, name: String) {
        self.kind = kind
        self.schema = schema
        self.name = name
    }
}

extension StepScript {
    /// What runs of the script's batches behind steps that have named `types`, and all types that
    /// are named then.
    ///
    /// A type that a statement of the migration's own drops is forgotten: what names it next has to
    /// make it anew. Alembic would leave it out there, and fail.
    package func running(after types: Set<NamedType>) -> (script: StepScript, types: Set<NamedType>)
    {
        var types = types
        let left = batches.map { batch in
            Batch(
                statements: batch.statements.filter { statement in
                    if let type = statement.namedType { return types.insert(type).inserted }
                    if !types.isEmpty { types = types.filter { !statement.drops($0) } }
                    return true
                }, isTransactional: batch.isTransactional)
        }
        return (with(left, withoutSchema: batchesWithoutSchema), types)
    }
}

extension SQLStatement {
    fileprivate func drops(_ type: NamedType) -> Bool {
        guard text.contains(type.name) || text.lowercased().contains(type.name) else {
            return false
        }
        let words = StatementWords(text)
        return words[0] == "drop" && ["type", "domain"].contains(words[1])
            && words.all.contains(type.name)
    }
}

extension RevisionPlan {
    /// The plan as one run of Alembic, or as the rest of one that has named `types`: each step knows
    /// which types are named before it, where that makes a difference.
    package func asOneRun(of graph: RevisionGraph, after types: Set<NamedType> = []) -> RevisionPlan
    {
        var types = types
        let steps = steps.map { step -> PlannedStep in
            guard let revision = graph[step.revision] else { return step }
            var step = step
            let scripts = revision.scripts(step.direction)
            if !scripts.isEmpty {
                let variants = scripts + scripts.map { $0.placed(in: nil) }
                let left = variants.map { $0.running(after: types) }
                let isShorter = zip(variants, left).contains {
                    $0.statements.count > $1.script.statements.count
                }
                if isShorter { step.namedBefore = types }
                types = left.reduce(into: []) { $0.formUnion($1.types) }
            } else {
                step.namedBefore = types
            }
            return step
        }
        var plan = RevisionPlan(
            purgedVersions: purgedVersions, steps: steps, result: result, warnings: warnings)
        plan.namedAfter = types
        return plan
    }

    /// The same behind its step `place`, which Alembic itself has run and which has named `types`: what
    /// nobody knew before it ran.
    package func naming(
        _ types: Set<NamedType>, inStep place: Int, of graph: RevisionGraph
    ) -> RevisionPlan {
        let rest = RevisionPlan(steps: Array(steps[(place + 1)...]), result: result)
            .asOneRun(of: graph, after: types.union(steps[place].namedBefore))
        var plan = RevisionPlan(
            purgedVersions: purgedVersions, steps: steps[...place] + rest.steps, result: result,
            warnings: warnings)
        plan.namedAfter = rest.namedAfter
        return plan
    }

    /// Whether what runs depends on the steps that run together, and so on where the plan begins.
    package var isOneRun: Bool { steps.contains { !$0.namedBefore.isEmpty } }
}
