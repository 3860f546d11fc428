internal import Engine
internal import JobModel
internal import PostgresClient
internal import Revisions
internal import Tenants

/// One walk of a `ReplayVerifier` through the three schemas, all of them by the same steps.
struct VerifyingWalk {
    typealias Failure = ReplayVerifier.Failure
    typealias Comparison = ReplayVerifier.Comparison

    let verifier: ReplayVerifier
    /// Two of Alembic's, and the replay's.
    let targets: [Target]
    let worker: WorkerConnection
    /// One for each target.
    let readers: [PostgresConnection]

    private var set: RevisionSet { verifier.set }

    /// - Returns: how many steps up are not done.
    func run(_ report: (Comparison) -> Void) async throws(Failure) -> Int {
        try await makeSchemas()
        let undone = try await walk(.upgrade, report)
        _ = try await walk(.downgrade, report)
        try await dropSchemas()
        return undone
    }

    /// Step by step as far as it goes.
    private func walk(
        _ operation: JobOperation, _ report: (Comparison) -> Void
    ) async throws(Failure) -> Int {
        var types: Set<NamedType> = []
        var failed: Set<String> = []
        while true {
            let task = task(
                operation, operation == .upgrade ? "heads" : "base", stepLimit: 1, after: types)
            let rows = try await readRows()
            guard let plan = try? task.plan(from: rows), let step = plan.steps.first else {
                return 0
            }
            types = plan.namedAfter
            let failure = try await take(step, task, from: rows, naming: &types)
            report(
                Comparison(
                    revision: step.revision, direction: step.direction,
                    engine: needsPython(step) ? .python : .sql, failure: failure,
                    differences: try await compare()))
            guard failure != nil else { continue }
            let whole = try? self.task(operation, "heads").plan(from: rows)
            guard operation == .downgrade else { return whole?.steps.count ?? 1 }
            guard failed.insert(step.revision).inserted else { return 0 }
            types = []
            try await beginAnew(at: plan.result)
        }
    }

    /// The step on all ways; `types` gets those that it has named in a worker.
    ///
    /// - Returns: why it fails, where it does on all of them in the same way.
    private func take(
        _ step: PlannedStep, _ task: TargetTask, from rows: [String],
        naming types: inout Set<NamedType>
    ) async throws(Failure) -> TenantFailure? {
        let (alembic, named) = try await runAlembic(step, rows, targets[0])
        let (again, _) = try await runAlembic(step, rows, targets[1])
        if needsPython(step) { types.formUnion(named) }
        let replay = await replay(task)
        switch (alembic, again) {
        case (let failure?, nil), (nil, let failure?):
            throw .step(way: "Alembic, in one of two schemas", failure)
        case (nil, nil), (_?, _?): break
        }
        return try ReplayVerifier.ending(alembic: alembic, replay: replay)
    }

    /// Whether the replay, too, has Alembic run the step, on the server that is verified.
    private func needsPython(_ step: PlannedStep) -> Bool {
        set.graph[step.revision]?
            .needsPython(step.direction, serverVersion: readers[2].serverVersion) == true
    }

    /// - Returns: why the step fails, if it does, and the types that it has named.
    private func runAlembic(
        _ step: PlannedStep, _ rows: [String], _ target: Target
    ) async throws(Failure) -> (failure: TenantFailure?, named: Set<NamedType>) {
        let request = ExternalStep(
            planned: step, rows: rows, target: target, tenant: "verify",
            versionTable: set.versionTable, session: verifier.session)
        let answer: ExternalAnswer
        do throws(TenantFailure) {
            answer = try await verifier.python.run(request)
        } catch {
            throw .step(way: "Alembic", error)
        }
        guard var failure = answer.failure else { return (nil, answer.namedTypes) }
        failure.revision = step.revision
        return (failure, [])
    }

    private func replay(_ task: TargetTask) async -> TenantFailure? {
        let engine = SQLEngine(
            task: task,
            options: SQLEngine.Options(
                session: verifier.session, scope: .step, targetLockTimeout: .seconds(10)),
            journal: NoJournal(), external: verifier.python)
        var work = TargetWork(
            target: targets[2], tenants: [TenantName(id: "verify", identifier: "verify")])
        return await engine.migrate(&work, by: worker).failure
    }

    private func task(
        _ operation: JobOperation, _ target: String, stepLimit: Int? = nil,
        after types: Set<NamedType> = []
    ) -> TargetTask {
        TargetTask(
            operation: operation, target: target, graph: set.graph,
            versionTable: set.versionTable, stepLimit: stepLimit, namedBefore: types)
    }

    /// The version rows of all ways, which are the same.
    private func readRows() async throws(Failure) -> [String] {
        guard let schema = targets[2].schema else { return [] }
        return try await verifier.asking { () throws(PostgresError) in
            try await VersionReader(settings: verifier.session, table: set.versionTable)
                .read([schema], on: readers[2])[0].revisions
        }
    }

    private func compare() async throws(Failure) -> [String] {
        var facts: [SchemaFacts] = []
        for (target, reader) in zip(targets, readers) {
            guard let schema = target.schema else { continue }
            facts.append(
                try await verifier.asking { () throws(PostgresError) in
                    try await SchemaFacts.read(schema, on: reader)
                })
        }
        return ReplayVerifier.differences(facts[0], again: facts[1], replay: facts[2])
    }

    // MARK: - Schemas

    /// Makes the schemas anew with the version rows `rows`, by steps that were compared before.
    private func beginAnew(at rows: [String]) async throws(Failure) {
        try await dropSchemas()
        try await makeSchemas()
        for target in rows {
            let task = task(.upgrade, target)
            var state = try await readRows()
            guard let plan = try? task.plan(from: state) else { continue }
            for step in plan.steps {
                for alembic in targets.prefix(2) {
                    if let failure = try await runAlembic(step, state, alembic).failure {
                        throw .step(way: "Alembic, though it was done before", failure)
                    }
                }
                state = step.applied(to: state)
            }
            if let failure = await replay(task) {
                throw .step(way: "the replay, though it was done before", failure)
            }
        }
    }

    private func makeSchemas() async throws(Failure) {
        for (target, reader) in zip(targets, readers) {
            guard let schema = target.schema else { continue }
            try await execute("CREATE SCHEMA \(schema.quoted)", on: reader)
            do throws(SchemaPreparation.Failure) {
                try await verifier.preparation.prepare(schema, at: target.connection)
            } catch {
                throw .preparation(error)
            }
        }
    }

    private func dropSchemas() async throws(Failure) {
        for (target, reader) in zip(targets, readers) {
            guard let schema = target.schema else { continue }
            try await execute("DROP SCHEMA \(schema.quoted) CASCADE", on: reader)
        }
    }

    private func execute(
        _ statement: String, on reader: PostgresConnection
    ) async throws(Failure) {
        try await verifier.asking { () throws(PostgresError) in
            _ = try await reader.execute(statement)
        }
    }
}

/// Nothing is resumed after a crash: the schemas are dropped.
private struct NoJournal: StepJournal {
    func find(_ target: Target) async throws(TenantFailure) -> UnfinishedStep? { nil }
    func write(
        _ step: UnfinishedStep, of target: Target, tenants: [TenantName]
    ) async throws(TenantFailure) {}
    func remove(_ target: Target) async throws(TenantFailure) {}
    func acquireBuildPlace(_ target: Target) async throws(TenantFailure) -> Bool { true }
    func releaseBuildPlace(_ target: Target) async throws(TenantFailure) {}
}
