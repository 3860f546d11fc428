internal import ArgumentParser
internal import Support

struct TenantDowngrade: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "downgrade", abstract: "Downgrades one tenant and watches it to its end.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var tenant: TenantArgument
    @OptionGroup var step: StepOptions
    @OptionGroup var start: StartOptions

    func run() async throws {
        try await start.run(client, "\(tenant.path)/downgrade", body: .object(step.members))
    }
}
