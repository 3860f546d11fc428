internal import ArgumentParser

struct JobStart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Starts a job and watches it to its end.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var request: JobRequestOptions
    @OptionGroup var start: StartOptions

    func validate() throws {
        let reportsPlans = request.operation == "check" || request.step.dryRun == "plan"
        if start.watch.requireHead == true && !reportsPlans {
            throw ValidationError("--require-head is for --operation check and --dry-run plan.")
        }
    }

    func run() async throws {
        try await start.run(client, "/v1/jobs", body: try request.json())
    }
}
