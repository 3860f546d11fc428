internal import ArgumentParser
internal import ControlAPI
internal import FoundationEssentials
internal import PostgresClient
internal import Support

/// Where the daemon is and how its answers are shown; common to all client commands.
struct ClientOptions: ParsableArguments {
    @Option(help: "The daemon's address (or MIGRATIOND_URL; http://127.0.0.1:8080 without either).")
    var url: String?

    @Option(
        help: """
            A file that holds the token (or MIGRATIOND_TOKEN_FILE, or the token itself in \
            MIGRATIOND_TOKEN).
            """)
    var tokenFile: String?

    @Flag(help: "Prints the API's JSON.")
    var json = false

    /// The environment variables that are the client's and not settings of the daemon.
    static let variables: Set<String> = [
        "MIGRATIOND_URL", "MIGRATIOND_TOKEN", "MIGRATIOND_TOKEN_FILE",
    ]

    func client() throws(CommandFailure) -> APIClient {
        let environment = ProcessInfo.processInfo.environment
        let address = url ?? environment["MIGRATIOND_URL"] ?? "http://127.0.0.1:8080"
        return try APIClient(address: address, token: try token(environment))
    }

    /// A client for what is asked once: it gives up at the first failure.
    func once() throws(CommandFailure) -> PersistentClient {
        PersistentClient(client: try client(), reconnection: Reconnection(limit: .zero))
    }

    private func token(_ environment: [String: String]) throws(CommandFailure) -> Secret? {
        let (named, given) = (environment["MIGRATIOND_TOKEN_FILE"], environment["MIGRATIOND_TOKEN"])
        if tokenFile == nil, named != nil, given != nil {
            throw CommandFailure(
                .usage, "MIGRATIOND_TOKEN must not be set together with MIGRATIOND_TOKEN_FILE.")
        }
        guard let tokenFile = tokenFile ?? named else { return given.map { Secret($0) } }
        guard let data = FileManager.default.contents(atPath: tokenFile),
            let text = String(validating: data, as: UTF8.self)
        else {
            throw CommandFailure(.usage, "The token file \(tokenFile) cannot be read.")
        }
        return Secret(MediaType.trimmed(text.filter { $0 != "\n" && $0 != "\r\n" }))
    }

    /// Prints an answer as JSON where that is asked for, else as lines.
    func show(_ answer: JSONValue, lines: (JSONValue) -> [String]) {
        if json { return StandardStream.output.write(json: answer) }
        StandardStream.output.write(lines: lines(answer))
    }
}

/// How long a command that follows a job keeps trying without a daemon.
struct ReconnectOptions: ParsableArguments {
    @Option(help: "Seconds to keep retrying while no daemon can be reached; 0 gives up at once.")
    var reconnectFor = 300

    func validate() throws {
        guard (0...86_400).contains(reconnectFor) else {
            throw ValidationError("--reconnect-for takes 0 to 86400 seconds.")
        }
    }

    func persistent(_ client: APIClient) -> PersistentClient {
        PersistentClient(
            client: client, reconnection: Reconnection(limit: .seconds(reconnectFor)))
    }
}

/// How a job is watched.
struct WatchOptions: ParsableArguments {
    @OptionGroup var reconnect: ReconnectOptions

    @Flag(
        inversion: .prefixedNo,
        help: """
            Exits with 1 if a tenant has steps to run: the default for a check, an option for a \
            dry run.
            """)
    var requireHead: Bool?

    func watcher(_ client: APIClient, json: Bool) -> JobWatcher {
        JobWatcher(client: reconnect.persistent(client), json: json, requireHead: requireHead)
    }
}

/// How a job is started.
struct StartOptions: ParsableArguments {
    @OptionGroup var watch: WatchOptions

    @Option(help: "Idempotency key: repeating the same request with it starts no second job.")
    var idempotencyKey: String?

    @Flag(help: "Returns as soon as the job is recorded.")
    var detach = false

    /// Starts a job by the call at `path`, and watches it to its end.
    func run(_ options: ClientOptions, _ path: String, body: JSONValue? = nil) async throws {
        let client = try options.client()
        let job = try await watch.reconnect.persistent(client).start(
            path, body: body, key: idempotencyKey)
        if detach { return options.show(job) { [JobProgress($0)?.line ?? ""] } }
        try await watch.watcher(client, json: options.json).follow(job)
    }
}
