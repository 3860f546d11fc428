internal import ArgumentParser
internal import FoundationEssentials
internal import TenancyCore

/// Where the daemon is and how its answers are shown; common to all client commands.
struct ClientOptions: ParsableArguments {
    @Option(help: "The daemon's address (or MIGRATIOND_URL; http://127.0.0.1:8080 without either).")
    var url: String?

    @Option(help: "A file that holds the token (or the token itself in MIGRATIOND_TOKEN).")
    var tokenFile: String?

    @Flag(help: "Prints the API's JSON.")
    var json = false

    /// The environment variables that are the client's and not settings of the daemon.
    static let variables: Set<String> = ["MIGRATIOND_URL", "MIGRATIOND_TOKEN"]

    func client() throws(CommandFailure) -> APIClient {
        let environment = ProcessInfo.processInfo.environment
        let address = url ?? environment["MIGRATIOND_URL"] ?? "http://127.0.0.1:8080"
        return try APIClient(address: address, token: try token(environment))
    }

    private func token(_ environment: [String: String]) throws(CommandFailure) -> Secret? {
        guard let tokenFile else { return environment["MIGRATIOND_TOKEN"].map { Secret($0) } }
        guard let data = FileManager.default.contents(atPath: tokenFile),
            let text = String(validating: data, as: UTF8.self)
        else {
            throw CommandFailure(.usage, "The token file \(tokenFile) cannot be read.")
        }
        return Secret(MediaType.trimmed(text.filter { $0 != "\n" && $0 != "\r\n" }))
    }

    /// Prints an answer as JSON where that is asked for, else the line.
    func show(_ answer: JSONValue, line: (JSONValue) -> String) {
        StandardStream.output.writeLine(json ? answer.renderedString() : line(answer))
    }
}
