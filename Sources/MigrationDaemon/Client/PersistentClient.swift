internal import Support

/// A client that survives restarts and failovers of the daemon, and reports them.
struct PersistentClient: Sendable {
    let client: APIClient
    let reconnection: Reconnection
    /// Hears a line for people whenever the daemon is lost, and when it is back.
    var tell: @Sendable (String) -> Void = { StandardStream.error.interject([$0]) }

    /// The answer to a request that may be sent again: one that reads, or one with an idempotency key.
    func send(
        _ method: String, _ path: String, body: JSONValue? = nil,
        fields: [String: String] = [:], within seconds: Int = 30
    ) async throws(CommandFailure) -> JSONValue {
        var failures = 0
        var lostAt = ContinuousClock.now
        while true {
            do throws(APIFailure) {
                let answer = try await client.attempt(
                    method, path, body: body, fields: fields, within: seconds)
                if failures > 0 { tell("The daemon is reachable again.") }
                return answer
            } catch {
                if failures == 0 { lostAt = .now }
                failures += 1
                let pause = reconnection.pause(
                    afterFailures: failures, elapsed: .now - lostAt, wish: error.retryAfter,
                    jitter: Double.random(in: 0...1))
                guard error.isTransient, !Task.isCancelled, let pause else { throw error.failure }
                if failures == 1 {
                    let seconds = reconnection.limit.components.seconds
                    tell("\(error.failure.lines.joined(separator: " ")) Retrying for \(seconds) s.")
                }
                try? await Task.sleep(for: pause)
            }
        }
    }

    /// Starts a job under an idempotency key, of its own where the caller has none: a request whose
    /// answer was lost is sent again and starts no second job.
    func start(
        _ path: String, body: JSONValue? = nil, key: String?
    ) async throws(CommandFailure) -> JSONValue {
        let key = key ?? "cli-\(UUIDText.random())"
        do throws(CommandFailure) {
            return try await send("POST", path, body: body, fields: ["Idempotency-Key": key])
        } catch {
            guard error.status == .unreachable else { throw error }
            let advice =
                "The job may have been started anyway. To run the command again without starting "
                + "a second job, add --idempotency-key \(key)"
            throw CommandFailure(error.status, lines: error.lines + [advice])
        }
    }
}
