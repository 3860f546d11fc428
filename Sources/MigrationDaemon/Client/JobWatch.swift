internal import ArgumentParser

struct JobWatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Watches a job to its end.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var job: JobArgument
    @OptionGroup var watch: WatchOptions

    func run() async throws {
        let watcher = watch.watcher(try client.client(), json: client.json)
        try await watcher.follow(try await watcher.client.send("GET", job.path))
    }
}
