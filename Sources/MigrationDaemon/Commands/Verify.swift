internal import ArgumentParser
internal import PrivatePostgres
internal import TenancyCore

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
            A database in which schemas named verify_* may be made, instead of a private one; its \
            driver is the one that env.py is given.
            """)
    var databaseURL: String?

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
        let result = await Task { try await verify(Secret(cluster.url())) }.result
        try? await cluster.stop()
        try result.get()
    }

    private func verify(_ url: Secret) async throws {
        var steps = 0
        var different = 0
        do {
            let verifier = try await ReplayVerifier(
                project: AlembicProject(
                    AlembicProject.Options(path: options.migrations, python: options.python)),
                connection: try ConnectionString.parse(url))
            try await verifier.run { comparison in
                steps += 1
                different += comparison.differences.isEmpty ? 0 : 1
                let verdict = comparison.differences.isEmpty ? "equal" : "DIFFERENT"
                StandardStream.output.writeLine(
                    "\(comparison.direction.rawValue)  \(comparison.revision)  "
                        + "\(comparison.engine.rawValue)  \(verdict)")
                for line in comparison.differences {
                    StandardStream.output.writeText("    " + line.replacing("\n", with: "\n    "))
                }
            }
        } catch let error as ReplayVerifier.Failure {
            throw CommandFailure(.failure, Self.describe(error))
        } catch let error as ConnectionStringError {
            throw CommandFailure(.usage, "--database-url \(error)")
        }
        let summary = "\(steps) steps, \(different) different"
        guard different == 0 else { throw CommandFailure(.failure, summary) }
        StandardStream.output.writeLine(summary)
    }

    private static func describe(_ failure: ReplayVerifier.Failure) -> String {
        switch failure {
        case .migrations(let error): "The project cannot be used:\n\(error)"
        case .database(let error): "The database cannot be used: \(error)"
        case .step(let way, let failure):
            "Step \(failure.revision ?? "") failed with \(way): \(failure.message)"
        }
    }
}
