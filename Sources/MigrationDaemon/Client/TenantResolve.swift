internal import ArgumentParser
internal import Support

struct TenantResolve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve",
        abstract: "Resolves a step that was begun but not finished, usually one in doubt.",
        discussion: """
            resume: the interrupted statement had no effect and runs again. mark_applied: the whole \
            step is done. mark_not_applied: nothing of the step was applied. Nothing runs until the \
            next job.
            """)

    @OptionGroup var client: ClientOptions
    @OptionGroup var tenant: TenantArgument

    @Option(help: "resume, mark_applied or mark_not_applied.")
    var action: String

    func run() async throws {
        let answer = try await client.client().send(
            "POST", "\(tenant.path)/resolve", body: ["action": .string(action)])
        client.show(answer, lines: TenantShow.live)
    }
}
