internal import ArgumentParser
internal import Support

struct JobShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows the current state of a job.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument

    func run() async throws {
        client.show(try await client.client().send("GET", job.path), lines: Self.lines)
    }

    /// A job in a line; also what pausing, resuming and cancelling show of it.
    static func lines(_ job: JSONValue) -> [String] { [JobProgress(job)?.line ?? ""] }
}
