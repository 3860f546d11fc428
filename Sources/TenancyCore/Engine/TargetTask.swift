package import JobModel
internal import PostgresClient
package import Revisions
internal import Synchronization

/// What a job wants of each target: an operation and where it leads.
///
/// A plan is computed once for each set of version rows and shared by all targets that have those rows, so
/// that a fleet of thousands costs a handful of walks of the graph.
package final class TargetTask: Sendable {
    package let operation: JobOperation
    package let target: String
    package let graph: RevisionGraph
    package let dryRun: DryRun
    package let createMissingSchemas: Bool
    package let versionTable: VersionTableName
    /// Most steps of a plan that are carried out; `nil` for all.
    let stepLimit: Int?
    /// Types that earlier steps of the run have named.
    private let namedBefore: Set<NamedType>
    /// Whether the target is counted from each tenant's own rows, such as `-1`.
    package let isRelative: Bool
    private let plans = Mutex<[[String]: Result<RevisionPlan, RevisionError>]>([:])

    /// A fleet rarely has more states than this; beyond it plans are computed each time.
    private static let cachedPlans = 256

    package convenience init(
        operation: JobOperation, target: String, graph: RevisionGraph, dryRun: DryRun = .none,
        createMissingSchemas: Bool = false, versionTable: VersionTableName = .standard
    ) {
        self.init(
            operation: operation, target: target, graph: graph, dryRun: dryRun,
            createMissingSchemas: createMissingSchemas, versionTable: versionTable, stepLimit: nil)
    }

    package init(
        operation: JobOperation, target: String, graph: RevisionGraph, dryRun: DryRun = .none,
        createMissingSchemas: Bool = false, versionTable: VersionTableName = .standard,
        stepLimit: Int?, namedBefore: Set<NamedType> = []
    ) {
        self.operation = operation
        self.target = target
        self.graph = graph
        self.dryRun = dryRun
        self.createMissingSchemas = createMissingSchemas
        self.versionTable = versionTable
        self.stepLimit = stepLimit
        self.namedBefore = namedBefore
        do throws(RevisionError) {
            let resolved = try graph.resolvedTarget(operation.revisionOperation, target)
            isRelative = operation != .check && resolved == nil
        } catch {
            // No plan will come about; each tenant says why.
            isRelative = false
        }
    }

    /// Whether anything is applied, and not only looked at.
    var changesTargets: Bool { operation.changesTenants(dryRun) }

    /// The steps from `rows`, given in the order in which they were read.
    package func plan(from rows: [String]) throws(RevisionError) -> RevisionPlan {
        if let known = plans.withLock({ $0[rows] }) { return try known.get() }
        let made: Result<RevisionPlan, RevisionError>
        do throws(RevisionError) {
            made = .success(try makePlan(from: rows))
        } catch {
            made = .failure(error)
        }
        plans.withLock { plans in
            if plans.count < TargetTask.cachedPlans { plans[rows] = made }
        }
        return try made.get()
    }

    private func makePlan(from rows: [String]) throws(RevisionError) -> RevisionPlan {
        let plan = try wholePlan(from: rows)
        guard let stepLimit, plan.steps.count > stepLimit else {
            return plan.asOneRun(of: graph, after: namedBefore)
        }
        let steps = Array(plan.steps.prefix(stepLimit))
        return RevisionPlan(
            steps: steps, result: steps.reduce(rows) { $1.applied(to: $0) },
            warnings: plan.warnings
        ).asOneRun(of: graph, after: namedBefore)
    }

    private func wholePlan(from rows: [String]) throws(RevisionError) -> RevisionPlan {
        switch operation {
        case .upgrade: return try graph.upgrade(to: target, from: rows)
        case .downgrade: return try graph.downgrade(to: target, from: rows)
        case .stamp: return try graph.stamp([target], from: rows, purge: false)
        case .check:
            // Planning a whole upgrade is how rows that the graph does not have are found.
            let whole = try graph.upgrade(to: "heads", from: rows)
            return target == "heads" ? whole : try graph.upgrade(to: target, from: rows)
        }
    }

    /// How a target ends that needs no work: it is there already, it is only looked at, or it cannot
    /// be done. `nil` when there are steps to apply.
    package func settle(_ state: VersionState) -> TargetOutcome? {
        if state == .missingSchema && !createMissingSchemas {
            return .failed(TargetTask.missingSchema)
        }
        let rows = state.revisions
        let plan: RevisionPlan
        do throws(RevisionError) {
            plan = try self.plan(from: rows)
        } catch {
            return .failed(FailureDescription.of(error), rows: rows)
        }
        // A check only says what is missing, not whether it could be done.
        if operation != .check, let objection = objection(to: plan) {
            return .failed(objection, rows: rows)
        }
        if changesTargets && !plan.steps.isEmpty { return nil }
        var outcome = TargetOutcome(state: .skipped, fromRevisions: rows, toRevisions: rows)
        if !changesTargets {
            outcome.state = operation != .check && plan.steps.isEmpty ? .skipped : .succeeded
            outcome.plannedRevisions = plan.steps.map(\.revision)
            outcome.steps = plan.steps.count
        }
        return outcome
    }

    package static let missingSchema = TenantFailure(
        code: .target(.schemaMissing),
        message: "the tenant's schema does not exist in its database",
        sqlState: SQLState.invalidSchemaName,
        hint: "create it, or set tenancy.create_missing_schemas")

    /// Why `plan` cannot be carried out, before anything is touched.
    func objection(to plan: RevisionPlan) -> TenantFailure? {
        if operation == .stamp { return nil }
        for step in plan.steps {
            guard let revision = graph[step.revision] else { continue }
            if revision.script(step.direction) == nil,
                revision.pythonReasons[step.direction] == nil
            {
                return noScript(revision, step.direction)
            }
        }
        return nil
    }

    private func noScript(_ revision: Revision, _ direction: Direction) -> TenantFailure {
        let name = direction == .up ? "upgrade" : "downgrade"
        return TenantFailure(
            code: .plan(direction == .up ? .noUpgrade : .noDowngrade),
            message: "revision \(revision.id) has no \(name) section",
            revision: revision.id, file: revision.file,
            hint: "write its \(name) section, or choose a target that does not pass it")
    }
}
