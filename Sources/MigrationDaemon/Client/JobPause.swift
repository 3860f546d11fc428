internal import ArgumentParser

struct JobPause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Pauses a job: no further tenant starts.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument

    func run() async throws {
        let answer = try await client.client().send("POST", "\(job.path)/pause")
        client.show(answer, lines: JobShow.lines)
    }
}
