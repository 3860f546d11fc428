internal import Engine
package import JobModel
package import PostgresClient
package import Revisions
internal import Tenants

/// Compares a replay with Alembic's own result, step by step, up to the heads and down to the bases.
///
/// Three schemas go the same way: two by Alembic itself and one as a job goes. What differs between the
/// two of Alembic's, such as a random key, cannot be the same in the third.
package struct ReplayVerifier: Sendable {
    /// Why no comparison came about.
    package enum Failure: Error, Sendable {
        case migrations(FolderError)
        case database(PostgresError)
        case preparation(SchemaPreparation.Failure)
        /// A step failed on one way, and not or otherwise on the other.
        case step(way: String, TenantFailure)
    }

    /// One step after which the schemas were compared.
    package struct Comparison: Sendable {
        package let revision: String
        package let direction: Direction
        package let engine: Revision.Engine
        /// Why the step fails, by Alembic as by the replay; `nil` for one that is done.
        package let failure: TenantFailure?
        /// Object by object; empty where nothing differs.
        package let differences: [String]
    }

    let set: RevisionSet
    package let python: PythonPool
    let connection: ConnectionParameters
    package let preparation: SchemaPreparation
    private let hasDatabases: Bool
    let session: SessionSettings
    private let slots = ServerSlots(limit: 8)

    /// Loads the project; `connection` leads to a database in which three schemas may be made, or
    /// to a server in which each of them may have a database of its own (`hasDatabases`): what the
    /// schemas of one database share, such as an extension, is for the last of them only to drop.
    ///
    /// - Throws: `Failure.migrations` for a project that cannot be read.
    package init(
        project: AlembicProject, connection: ConnectionParameters,
        preparation: SchemaPreparation = SchemaPreparation(), hasDatabases: Bool = false
    ) async throws(Failure) {
        do throws(FolderError) {
            set = try await project.load()
        } catch {
            throw .migrations(error)
        }
        python = PythonPool(project: project, workers: 1)
        self.connection = connection
        self.preparation = preparation
        self.hasDatabases = hasDatabases
        session = SessionSettings(
            lockTimeoutMilliseconds: 10_000, statementTimeoutMilliseconds: 0,
            extraSearchPath: preparation.extraSearchPath)
    }

    /// Goes all the way, and reports each step as soon as it was compared.
    ///
    /// Where a step down fails on all ways, the schemas are made anew below it. Past a step up that
    /// fails nothing can be reached.
    ///
    /// - Returns: how many steps up are not done: the one that fails, and those above it.
    package func run(_ report: (Comparison) -> Void) async throws(Failure) -> Int {
        // The first is the replay's, which is closed after statements outside of transactions.
        let workers = (0..<5).map { _ in
            WorkerConnection(slots: slots, connectTimeout: .seconds(10)) { _ in }
        }
        let result: Result<Int, Failure>
        do throws(Failure) {
            let targets = try targets()
            if hasDatabases { try await makeDatabases(targets, by: workers[4]) }
            var readers: [PostgresConnection] = []
            for (target, looking) in zip(targets, workers.dropFirst()) {
                readers.append(
                    try await asking { () throws(PostgresError) in
                        try await looking.connection(for: target.connection, schemas: 1)
                    })
            }
            let walk = VerifyingWalk(
                verifier: self, targets: targets, worker: workers[0], readers: readers)
            result = .success(try await walk.run(report))
        } catch {
            result = .failure(error)
        }
        for worker in workers { await worker.close() }
        await python.retire()
        return try result.get()
    }

    /// Two of Alembic's, and the replay's.
    private func targets() throws(Failure) -> [Target] {
        do throws(SchemaNameError) {
            var targets: [Target] = []
            for name in ["verify_alembic", "verify_again", "verify_replay"] {
                let place = hasDatabases ? connection.setting("dbname", to: name) : connection
                targets.append(Target(connection: place, schema: try SchemaName(name)))
            }
            return targets
        } catch {
            throw .database(.connectionLost(message: "a schema's name \(error)"))
        }
    }

    private func makeDatabases(
        _ targets: [Target], by worker: WorkerConnection
    ) async throws(Failure) {
        for target in targets {
            guard let schema = target.schema else { continue }
            try await asking { () throws(PostgresError) in
                _ = try await worker.connection(for: connection, schemas: 1)
                    .execute("CREATE DATABASE \(schema.quoted)")
            }
        }
    }

    func asking<R: Sendable>(
        _ question: () async throws(PostgresError) -> R
    ) async throws(Failure) -> R {
        do throws(PostgresError) {
            return try await question()
        } catch {
            throw .database(error)
        }
    }

    /// What `replay` has otherwise than `alembic`, apart from what `again` has otherwise, too.
    package static func differences(
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

    /// How a step ends for the project as a whole: what fails with Alembic has to fail with the replay
    /// for the same reason.
    ///
    /// - Returns: Alembic's failure, or `nil` for a step that is done.
    static func ending(
        alembic: TenantFailure?, replay: TenantFailure?
    ) throws(Failure) -> TenantFailure? {
        switch (alembic, replay) {
        case (nil, nil): return nil
        case (nil, let replay?): throw .step(way: "the replay, not with Alembic", replay)
        case (let alembic?, nil): throw .step(way: "Alembic, not with the replay", alembic)
        case (let alembic?, let replay?):
            // Drivers word the same error each in its own way.
            let isSame =
                alembic.sqlState == replay.sqlState
                && (alembic.sqlState != nil || alembic.code == replay.code)
            if isSame { return alembic }
            throw .step(way: "the replay, and otherwise with Alembic (\(alembic.message))", replay)
        }
    }
}
