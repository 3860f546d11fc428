internal import ArgumentParser
internal import Support

struct TenantUpgrade: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade", abstract: "Upgrades one tenant and watches it to its end.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var tenant: TenantArgument
    @OptionGroup var step: StepOptions
    @OptionGroup var start: StartOptions

    func run() async throws {
        try await start.run(client, "\(tenant.path)/upgrade", body: .object(step.members))
    }
}
