/// Sends server-sent events to one client.
public struct EventStreamWriter: Sendable {
    private let body: HTTPBodyWriter

    init(_ body: HTTPBodyWriter) {
        self.body = body
    }

    /// Sends an event; waits while the client has too much still to read.
    ///
    /// - Throws: `CancellationError` when the client has left or takes too long to read.
    public func send(_ event: ServerSentEvent) async throws {
        try await body.write(event.encoded)
    }

    /// Sends a comment, which clients ignore and proxies take for a sign of life.
    func sendComment() async throws {
        try await body.write(": ping\n\n")
    }
}

extension HTTPResponse {
    /// A stream of events that lives until `produce` returns, the client leaves, or the server ends.
    ///
    /// When the server is shut down `produce` is cancelled, `lastEvent` is sent, and the stream ends
    /// in good order, so that the client returns with its last id to whoever serves next.
    ///
    /// - Parameters:
    ///   - heartbeat: how often a comment is sent, so that proxies keep the connection and a client
    ///     that is gone is noticed.
    ///   - lastEvent: what is sent at a shutdown; nil for nothing.
    ///   - produce: sends the events; it should end when its task is cancelled.
    /// - Returns: a response with the fields that event streams need.
    public static func events(
        heartbeat: Duration = .seconds(15), lastEvent: ServerSentEvent? = nil,
        _ produce: @escaping @Sendable (EventStreamWriter) async throws -> Void
    ) -> HTTPResponse {
        let fields: HTTPFields = [
            "Content-Type": "text/event-stream", "Cache-Control": "no-store",
            // nginx would otherwise hold events back until its buffer is full.
            "X-Accel-Buffering": "no",
        ]
        return HTTPResponse(
            status: .ok, fields: fields,
            body: .stream { body in
                let writer = EventStreamWriter(body)
                let ending = try await firstEnding(body, writer, heartbeat, produce)
                if ending == .drain, let lastEvent { try await writer.send(lastEvent) }
            })
    }

    private enum Ending: Sendable {
        case produced, drain
    }

    /// Runs the producer beside the heartbeat until it ends or the server drains.
    private static func firstEnding(
        _ body: HTTPBodyWriter, _ writer: EventStreamWriter, _ heartbeat: Duration,
        _ produce: @escaping @Sendable (EventStreamWriter) async throws -> Void
    ) async throws -> Ending {
        try await withThrowingTaskGroup(of: Ending.self) { group in
            group.addTask {
                try await produce(writer)
                return .produced
            }
            group.addTask {
                while true {
                    try await Task.sleep(for: heartbeat)
                    try await writer.sendComment()
                }
            }
            group.addTask {
                try await body.untilDrain()
                return .drain
            }
            let ending = try await group.next() ?? .produced
            group.cancelAll()
            // What the others say now is only that they were cancelled.
            while case .some = await group.nextResult() {}
            return ending
        }
    }
}
