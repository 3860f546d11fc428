/// Compares a replay with Alembic's own result, step by step, up to the heads and down to the bases.
///
/// Three schemas of one database go the same way: two by Alembic itself and one as a job goes. What
/// differs between the two of Alembic's, such as a random key, cannot be the same in the third.
public struct ReplayVerifier: Sendable {
    /// Why no comparison came about.
    public enum Failure: Error, Sendable {
        case migrations(FolderError)
        case database(PostgresError)
        /// A step failed, on Alembic's own way or on the daemon's.
        case step(way: String, TenantFailure)
    }

    /// One step after which the schemas were compared.
    public struct Comparison: Sendable {
        public let revision: String
        public let direction: Direction
        public let engine: Revision.Engine
        /// Object by object; empty where nothing differs.
        public let differences: [String]
    }

    private let set: RevisionSet
    private let python: PythonPool
    private let connection: ConnectionParameters
    private let slots = ServerSlots(limit: 8)
    private let session = SessionSettings(
        lockTimeoutMilliseconds: 10_000, statementTimeoutMilliseconds: 0)

    /// Loads the project; `connection` leads to a database in which three schemas may be made.
    ///
    /// - Throws: `Failure.migrations` for a project that cannot be read.
    public init(
        project: AlembicProject, connection: ConnectionParameters
    ) async throws(Failure) {
        do throws(FolderError) {
            set = try await project.load()
        } catch {
            throw .migrations(error)
        }
        python = PythonPool(project: project, workers: 1)
        self.connection = connection
    }

    /// Goes all the way, and reports each step as soon as it was compared.
    public func run(_ report: (Comparison) -> Void) async throws(Failure) {
        let worker = WorkerConnection(slots: slots, connectTimeout: .seconds(10)) { _ in }
        // Another one: the worker's is closed after statements outside of transactions.
        let looking = WorkerConnection(slots: slots, connectTimeout: .seconds(10)) { _ in }
        let result: Result<Void, Failure>
        do throws(Failure) {
            let ways = try Ways(connection)
            let reader = try await asking { () throws(PostgresError) in
                try await looking.connection(for: connection, schemas: 3)
            }
            try await makeSchemas(ways, on: reader)
            for operation in [JobOperation.upgrade, .downgrade] {
                try await walk(operation, ways, worker, reader, report)
            }
            try await dropSchemas(ways, on: reader)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await worker.close()
        await looking.close()
        await python.retire()
        try result.get()
    }

    /// The three targets.
    private struct Ways {
        let alembic: Target
        let again: Target
        let replay: Target

        init(_ connection: ConnectionParameters) throws(Failure) {
            func target(_ name: String) throws(Failure) -> Target {
                guard let schema = try? SchemaName(name) else {
                    throw .database(.connectionLost(message: "\(name) is no schema's name"))
                }
                return Target(connection: connection, schema: schema)
            }
            alembic = try target("verify_alembic")
            again = try target("verify_again")
            replay = try target("verify_replay")
        }

        var all: [Target] { [alembic, again, replay] }
    }

    private func walk(
        _ operation: JobOperation, _ ways: Ways, _ worker: WorkerConnection,
        _ reader: PostgresConnection, _ report: (Comparison) -> Void
    ) async throws(Failure) {
        var types: Set<NamedType> = []
        while true {
            let task = TargetTask(
                operation: operation, target: operation == .upgrade ? "heads" : "base",
                graph: set.graph, versionTable: set.versionTable, stepLimit: 1, namedBefore: types)
            let rows = try await asking { () throws(PostgresError) in
                try await VersionReader(settings: session, table: set.versionTable)
                    .read([ways.replay.schema], on: reader)[0].revisions
            }
            guard let plan = try? task.plan(from: rows), let step = plan.steps.first else { return }
            types = plan.namedAfter
            for target in [ways.alembic, ways.again] {
                try await runAlembic(step, rows, target)
            }
            try await replay(task, ways.replay, worker)
            let differences = try await compare(ways, on: reader)
            report(
                Comparison(
                    revision: step.revision, direction: step.direction,
                    engine: set.graph[step.revision]?.pythonReasons[step.direction] == nil
                        ? .sql : .python,
                    differences: differences))
        }
    }

    private func runAlembic(
        _ step: PlannedStep, _ rows: [String], _ target: Target
    ) async throws(Failure) {
        let answer: JSONValue
        do throws(TenantFailure) {
            answer = try await python.run(
                PythonStep(
                    planned: step, rows: rows, target: target, tenant: "verify",
                    versionTable: set.versionTable, session: session))
        } catch {
            throw .step(way: "Alembic", error)
        }
        guard answer["event"]?.stringValue == "failed" else { return }
        var failure = TenantFailure(worker: answer)
        failure.revision = step.revision
        throw .step(way: "Alembic", failure)
    }

    private func replay(
        _ task: TargetTask, _ target: Target, _ worker: WorkerConnection
    ) async throws(Failure) {
        let engine = SQLEngine(
            task: task,
            options: SQLEngine.Options(
                session: session, scope: .step, targetLockTimeout: .seconds(10)),
            journal: NoJournal(), python: python)
        var work = TargetWork(
            target: target, tenants: [TenantName(id: "verify", identifier: "verify")])
        let outcome = await engine.migrate(&work, by: worker)
        if let failure = outcome.failure { throw .step(way: "the replay", failure) }
    }

    // MARK: - Comparing

    private func compare(
        _ ways: Ways, on reader: PostgresConnection
    ) async throws(Failure) -> [String] {
        var facts: [SchemaFacts] = []
        for target in ways.all {
            guard let schema = target.schema else { continue }
            facts.append(
                try await asking { () throws(PostgresError) in
                    try await SchemaFacts.read(schema, on: reader)
                })
        }
        return ReplayVerifier.differences(facts[0], again: facts[1], replay: facts[2])
    }

    /// What `replay` has otherwise than `alembic`, apart from what `again` has otherwise, too.
    static func differences(
        _ alembic: SchemaFacts, again: SchemaFacts, replay: SchemaFacts
    ) -> [String] {
        let settled = alembic.objects.intersection(again.objects)
        let missing = settled.subtracting(replay.objects).map { "only with Alembic: \($0)" }
        let known = alembic.objects.union(again.objects)
        // What varies with Alembic itself may be a third thing here; its kind and name tell.
        let varying = known.subtracting(settled).map { $0.split(separator: " ").prefix(2) }
        let extra = replay.objects.subtracting(known)
            .filter { line in !varying.contains(line.split(separator: " ").prefix(2)) }
            .map { "only with the replay: \($0)" }
        let data = alembic.data.filter { column, digest in
            again.data[column] == digest && replay.data[column] != digest
        }.map { "the data of \($0.key) differ" }
        return (missing + extra + data).sorted()
    }

    // MARK: - Schemas

    private func makeSchemas(
        _ ways: Ways, on reader: PostgresConnection
    ) async throws(Failure) {
        for target in ways.all {
            guard let schema = target.schema else { continue }
            try await asking { () throws(PostgresError) in
                _ = try await reader.execute("CREATE SCHEMA \(schema.quoted)")
            }
        }
    }

    private func dropSchemas(
        _ ways: Ways, on reader: PostgresConnection
    ) async throws(Failure) {
        for target in ways.all {
            guard let schema = target.schema else { continue }
            try await asking { () throws(PostgresError) in
                _ = try await reader.execute("DROP SCHEMA \(schema.quoted) CASCADE")
            }
        }
    }

    private func asking<R: Sendable>(
        _ question: () async throws(PostgresError) -> R
    ) async throws(Failure) -> R {
        do throws(PostgresError) {
            return try await question()
        } catch {
            throw .database(error)
        }
    }
}

/// Nothing is gone on with after a crash: the schemas are thrown away.
private struct NoJournal: StepJournal {
    func find(_ target: Target) async throws(TenantFailure) -> UnfinishedStep? { nil }
    func write(
        _ step: UnfinishedStep, of target: Target, tenants: [TenantName]
    ) async throws(TenantFailure) {}
    func remove(_ target: Target) async throws(TenantFailure) {}
    func takeBuildPlace(_ target: Target) async throws(TenantFailure) -> Bool { true }
    func giveBuildPlaceBack(_ target: Target) async throws(TenantFailure) {}
}
