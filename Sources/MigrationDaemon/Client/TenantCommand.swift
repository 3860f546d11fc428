internal import ArgumentParser

/// Tenants over the API.
struct TenantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant", abstract: "Shows and migrates single tenants over the API.",
        subcommands: [
            TenantShow.self, TenantList.self, TenantHistory.self, TenantUpgrade.self,
            TenantDowngrade.self, TenantResolve.self,
        ])
}

/// The tenant that a command is about.
struct TenantArgument: ParsableArguments {
    @Argument(help: "The tenant's id or identifier.")
    var tenant: String

    var path: String { "/v1/tenants/\(APIClient.escaped(tenant))" }
}
