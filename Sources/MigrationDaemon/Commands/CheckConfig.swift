internal import ArgumentParser
internal import DaemonConfiguration
internal import Revisions

/// Checks the configuration and the migrations that it names, without any database.
struct CheckConfig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config",
        abstract: "Checks the configuration and its migrations; connects to no database.")

    @Option(help: "The configuration file.")
    var config: String

    @Flag(help: "Checks only the configuration, where the migrations are not available.")
    var withoutMigrations = false

    func run() async throws {
        let settings = try ConfigFile.load(config)
        StandardStream.output.writeLine("\(config): fine")
        for warning in ConfigFile.warnings(config, settings) {
            StandardStream.output.writeLine("warning: \(warning)")
        }
        if withoutMigrations { return }
        let path = settings.migrations.path
        do throws(CommandFailure) {
            let set = try await MigrationSource.load(settings)
            for warning in set.warnings { StandardStream.output.writeLine("\(path): \(warning)") }
            let heads = set.graph.heads.joined(separator: ", ")
            StandardStream.output.writeLine(
                "\(path): \(set.graph.revisions.count) revisions, heads: \(heads)")
        } catch {
            throw CommandFailure(.failure, lines: error.lines)
        }
    }
}
