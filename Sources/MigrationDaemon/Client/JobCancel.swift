internal import ArgumentParser
internal import Support

struct JobCancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Cancels a job; its running tenants finish first.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument

    @Flag(help: "Cancels the running tenants as well and rolls them back.")
    var immediate = false

    func run() async throws {
        let answer = try await client.client().send(
            "POST", "\(job.path)/cancel", body: ["mode": immediate ? "immediate" : "graceful"])
        client.show(answer, lines: JobShow.lines)
    }
}
