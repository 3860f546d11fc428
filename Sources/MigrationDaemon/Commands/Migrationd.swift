internal import ArgumentParser
internal import Glibc
internal import Support

/// The program: a daemon, its tools, and a client of its API.
@main
struct Migrationd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrationd",
        abstract: "Migrates fleets of PostgreSQL tenants.",
        discussion: """
            Exit codes: 0 done and all tenants succeeded, 1 some tenants failed or a check found \
            problems, 2 wrong usage or a refused request, 3 the daemon cannot be reached, \
            4 the job was cancelled or stopped by its failure budget.
            """,
        version: "\(Version.current) (\(Version.build) build)",
        subcommands: [
            Serve.self, Demo.self, CheckConfig.self, Doctor.self, Plan.self, Render.self,
            Verify.self,
            JobCommand.self, TenantCommand.self, FleetCommand.self, RevisionCommand.self,
        ])

    static func main() async {
        // Before any of them knows a password or a token.
        OwnProcess.hide()
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            Glibc.exit(end(with: error))
        }
    }

    /// Says what is to be said and answers with the status. The argument parser's own status for a
    /// wrong command line is 64; ours is 2.
    private static func end(with error: any Error) -> Int32 {
        if let failure = error as? CommandFailure {
            if !failure.lines.isEmpty { StandardStream.error.interject(failure.lines) }
            return failure.status.rawValue
        }
        let code = exitCode(for: error)
        let message = fullMessage(for: error)
        switch code {
        case .success:
            StandardStream.output.writeText(message)
            return CommandStatus.success.rawValue
        case .validationFailure:
            StandardStream.error.writeText(message)
            return CommandStatus.usage.rawValue
        default:
            if !message.isEmpty { StandardStream.error.writeText(message) }
            return code.rawValue
        }
    }
}
