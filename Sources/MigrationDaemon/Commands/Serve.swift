internal import Alembic
internal import ArgumentParser
internal import DaemonConfiguration
internal import FoundationEssentials
internal import HTTPLite
internal import Logging
internal import Support

/// Runs the daemon.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Runs the daemon.")

    @Option(help: "The configuration file.")
    var config: String

    func run() async throws {
        let path = config
        let config = try loadConfig()
        let logger = Loggers.make(level: config.log.level, format: config.log.format)
        for warning in ConfigFile.warnings(path, config) { logger.warning("\(warning)") }
        if !OwnProcess.isHidden {
            logger.warning(
                "Other processes of this user can read the daemon's memory: PR_SET_DUMPABLE failed")
        }
        // From here on a signal asks for a drain, even one that comes while the daemon starts.
        let signals = Signals()
        let process = ProcessInfo.processInfo
        let manager = ServiceManager(path: process.environment["NOTIFY_SOCKET"])
        OpenFiles.raiseLimit()
        PythonPool.adoptOrphans()
        let daemon = try await Daemon(
            config, logger: logger,
            inherited: ListenerAddress.activated(
                environment: process.environment, processID: process.processIdentifier))
        for address in try await daemon.start() {
            StandardStream.output.writeLine("listening on \(address)")
        }
        manager.ready()
        await signals.untilStop { daemon.reload() }
        manager.stopping()
        await daemon.shutdown(again: signals)
    }

    /// A configuration that cannot be used ends with the status for wrong usage, so that a service
    /// manager can tell it from a failure that a restart may mend.
    private func loadConfig() throws(CommandFailure) -> DaemonConfig {
        do throws(CommandFailure) {
            return try ConfigFile.load(config)
        } catch {
            throw CommandFailure(.usage, lines: error.lines)
        }
    }
}
