internal import ArgumentParser

/// Runs the daemon.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Runs the daemon.")

    @Option(help: "The configuration file.")
    var config: String

    func run() async throws {
        throw CommandFailure(.failure, "migrationd serve is not wired up in this build.")
    }
}
