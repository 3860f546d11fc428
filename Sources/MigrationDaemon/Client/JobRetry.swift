internal import ArgumentParser

struct JobRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Starts a new job for a job's failed and cancelled tenants and watches it.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument
    @OptionGroup var start: StartOptions

    func run() async throws {
        try await start.run(client, "\(job.path)/retry")
    }
}
