internal import ArgumentParser

/// Shows a fleet being migrated on a private PostgreSQL.
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Starts a private PostgreSQL with a demo fleet and migrates it.")

    @Option(help: "The folder for everything; a temporary one when left out.")
    var folder: String?

    @Flag(help: "Leaves the folder when the demo ends.")
    var keep = false

    @Option(help: "The port to listen on; 0 takes a free one.")
    var port = 8080

    @Option(help: "Tenants with a schema of their own.")
    var tenants = 200

    func run() async throws {
        throw CommandFailure(.failure, "migrationd demo is not wired up in this build.")
    }
}
