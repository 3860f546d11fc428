internal import ArgumentParser

/// The migrations over the API.
struct RevisionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revision", abstract: "Shows and reloads the migrations of a daemon.",
        subcommands: [RevisionList.self, RevisionShow.self, RevisionReload.self])
}
