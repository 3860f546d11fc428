internal import Alembic
internal import ArgumentParser
internal import JobModel
internal import PostgresClient
internal import PrivatePostgres
internal import Revisions
internal import Tenants

/// Proves that what the daemon makes of an Alembic project is what Alembic makes of it.
struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares the replay of an Alembic project with Alembic's own result.",
        discussion:
            "Every step, up to the heads and down to the bases, in a private PostgreSQL or in "
            + "the database that --database-url names; prints what differs, object by object.")

    @OptionGroup var options: ProjectOptions

    @Option(
        help: """
            A database in which schemas named verify_* may be created, instead of a private one; \
            env.py is given a URL with the same driver.
            """)
    var databaseURL: String?

    @Option(
        help: """
            A schema that follows the tenant's own in search_path, like \
            tenancy.extra_search_path; may be repeated.
            """,
        transform: Self.schema)
    var extraSearchPath: [SchemaName] = []

    @Option(
        help: """
            A shell command that creates, in each schema, what a tenant has before its first \
            revision; PGHOST, PGOPTIONS and libpq's other variables point to the schema.
            """)
    var prepare: String?

    func run() async throws {
        guard let databaseURL else { return try await withPrivateDatabase() }
        try await verify(Secret(databaseURL))
    }

    private func withPrivateDatabase() async throws {
        let cluster: PrivateCluster
        do throws(ClusterError) {
            cluster = try await PrivateCluster.start(
                ClusterConfiguration(
                    authentication: .password(UUIDText.random()),
                    settings: ClusterConfiguration.throwAwaySettings))
        } catch {
            throw CommandFailure(.failure, "\(error)")
        }
        let result = await Task {
            try await verify(Secret(cluster.url()), hasDatabases: true)
        }.result
        try? await cluster.stop()
        try result.get()
    }

    private func verify(_ url: Secret, hasDatabases: Bool = false) async throws {
        var counts = Counts()
        do {
            let verifier = try await ReplayVerifier(
                project: AlembicProject(
                    AlembicProject.Options(path: options.migrations, python: options.python)),
                connection: try ConnectionString.parse(url),
                preparation: SchemaPreparation(
                    extraSearchPath: extraSearchPath, command: prepare),
                hasDatabases: hasDatabases)
            counts.undone = try await verifier.run { comparison in
                counts.add(comparison)
                Self.show(comparison)
            }
        } catch let error as ReplayVerifier.Failure {
            throw CommandFailure(.failure, Self.describe(error))
        } catch let error as ConnectionStringError {
            throw CommandFailure(.usage, "--database-url \(error)")
        }
        guard counts.isProof else { throw CommandFailure(.failure, counts.summary) }
        StandardStream.output.writeLine(counts.summary)
    }

    private static func show(_ comparison: ReplayVerifier.Comparison) {
        let isEqual = comparison.differences.isEmpty
        let verdict =
            !isEqual ? "DIFFERENT" : comparison.failure == nil ? "equal" : "fails with Alembic, too"
        StandardStream.output.writeLine(
            "\(comparison.direction.rawValue)  \(comparison.revision)  "
                + "\(comparison.engine.rawValue)  \(verdict)")
        let remarks = [comparison.failure?.message].compactMap { $0 } + comparison.differences
        for line in remarks {
            StandardStream.output.writeText("    " + line.replacing("\n", with: "\n    "))
        }
    }

    private static func schema(_ text: String) throws -> SchemaName {
        do throws(SchemaNameError) {
            return try SchemaName(text)
        } catch {
            throw ValidationError("\"\(text)\" \(error).")
        }
    }

    private static func describe(_ failure: ReplayVerifier.Failure) -> String {
        switch failure {
        case .migrations(let error): "The project cannot be used:\n\(error)"
        case .database(let error): "The database cannot be used: \(error)"
        case .preparation(let failure): "The command of --prepare has failed: \(failure)"
        case .step(let way, let failure):
            "Step \(failure.revision ?? "") failed with \(way): \(failure.message)"
        }
    }
}

/// What a comparison of all steps amounts to.
private struct Counts {
    private var steps = 0
    private var different = 0
    private var failing = 0
    var undone = 0

    mutating func add(_ comparison: ReplayVerifier.Comparison) {
        steps += 1
        different += comparison.differences.isEmpty ? 0 : 1
        failing += comparison.failure == nil ? 0 : 1
    }

    /// A step down that fails with Alembic, too, is no difference; steps up that are not done prove
    /// nothing.
    var isProof: Bool { different == 0 && undone == 0 }

    var summary: String {
        var text = "\(steps) steps, \(different) different"
        if failing > 0 { text += ", \(failing) failing with Alembic, too" }
        if undone > 0 { text += ", \(undone) steps up not done" }
        return text
    }
}
