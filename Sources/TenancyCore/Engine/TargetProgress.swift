internal import Revisions

/// How far one target has come on its plan.
///
/// The plan is made once from the rows that the target had, and kept over attempts: a relative
/// target such as `-1` means one step from where the job found the tenant, not one more with each
/// attempt.
package struct TargetProgress: Sendable {
    /// The rows that the plan starts from.
    package let from: [String]
    private(set) var plan: RevisionPlan
    /// The rows before each step, and after the last.
    let states: [Set<String>]
    /// Steps that are known to be committed, whoever did it.
    private(set) var position = 0
    /// Those of them that this job did.
    private(set) var applied = 0

    init(plan: RevisionPlan, from rows: [String]) {
        self.plan = plan
        self.from = rows
        var current = rows
        var states = [Set(rows)]
        for step in plan.steps {
            current = step.applied(to: current)
            states.append(Set(current))
        }
        self.states = states
    }

    var isComplete: Bool { position == plan.steps.count }

    /// The rows that the target must have now.
    var expectedRows: [String] { states[position].sorted() }

    /// Whether the target may have no schema now: it is made with the first step, where it may be made.
    /// One that was there and is gone tells nothing of the rows, not even where the plan ends with none.
    func mayBegin(withoutSchema task: TargetTask) -> Bool {
        task.createMissingSchemas && position == 0 && from.isEmpty
    }

    mutating func advance(by steps: Int) {
        position += steps
        applied += steps
    }

    /// Takes in which types the next step has named, which Alembic itself is done with.
    mutating func name(_ types: Set<NamedType>, of graph: RevisionGraph) {
        guard !types.isEmpty, !isComplete else { return }
        plan = plan.naming(types, inStep: position, of: graph)
    }

    /// What rows read again mean for the plan.
    enum Finding: Equatable {
        /// The target stands somewhere on the plan, at or past the known position.
        case onPlan
        /// Nothing of the plan was done, and the rows are others: plan anew.
        case moved
        /// Part of the plan was done, and then somebody else moved the rows.
        case diverged
    }

    /// Compares the plan with rows that were read after the known position was reached. Steps found
    /// done were this job's if `mayBeOurs`: when an answer was lost, by it or by a daemon before.
    mutating func reconcile(with rows: [String], mayBeOurs: Bool) -> Finding {
        let rows = Set(rows)
        if let index = states.indices.dropFirst(position).first(where: { states[$0] == rows }) {
            if mayBeOurs { applied += index - position }
            position = index
            return .onPlan
        }
        return position == 0 ? .moved : .diverged
    }
}
