internal import ArgumentParser

struct JobResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Resumes a paused job.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument

    func run() async throws {
        let answer = try await client.client().send("POST", "\(job.path)/resume")
        client.show(answer, lines: JobShow.lines)
    }
}
