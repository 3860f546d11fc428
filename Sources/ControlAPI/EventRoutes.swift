internal import HTTPLite
internal import JobModel
internal import Scheduler
internal import Support

/// Following a job as server-sent events.
enum EventRoutes {
    static let endpoints = [follow]

    /// A client that has taken this long over one event is disconnected with an error; it returns with the
    /// id of the last event that it got.
    private static let slowest = Duration.seconds(10)
    /// How soon clients shall return after their stream was ended early.
    private static let retry = Duration.seconds(1)

    static let follow = Endpoint(
        method: .get, path: "/v1/jobs/{id}/events", access: .atLeast(.viewer), name: "followJob",
        summary:
            "The job as server-sent events: `job` after each change, at most four times a "
            + "second, `tenant` for each result, `end` as the last one. `Last-Event-ID` resumes after that "
            + "event without a gap.",
        fields: [.lastEventID],
        answers: [
            AnswerContract(
                status: 200, summary: "The events, until the end of the job.", schema: "JobEvent",
                mediaTypes: [.eventStream]),
            AnswerContract(
                status: 204,
                summary: "The caller has received the last event; this stops a browser."),
        ], refusals: [.notFound]
    ) { call, services throws(Problem) in
        let id = try call.jobID()
        let position = try EventPosition(call.http.fields)
        let job = try await services.job(id)
        if position.isEnd && job.state.isFinal { return HTTPResponse(status: .noContent) }
        guard let place = services.eventStreams.take() else {
            throw Problem(
                unavailable:
                    "As many event streams are open as the daemon allows; read the job with "
                    + "`wait` instead, or try again later.", retryAfter: 5)
        }
        let (events, clock) = (services.events, services.clock)
        let farewell = ServerSentEvent(
            name: "shutdown", data: #"{"reason":"the daemon stops"}"#, retry: retry)
        return .events(lastEvent: farewell) { writer in
            defer { withExtendedLifetime(place) {} }
            var writing = EventWriting(writer: writer, number: position.number)
            try await events.follow(id, after: position.number) { batch in
                try await writing.send(batch, now: clock.now)
            }
        }
    }

    /// Writes batches to one client.
    private struct EventWriting {
        let writer: EventStreamWriter
        var number: Int64
        var version: Int?

        /// - Returns: false when the client is too slow to keep.
        mutating func send(_ batch: JobEvents.Batch, now: Timestamp) async throws -> Bool {
            for item in batch.results {
                number = item.number
                let event = ServerSentEvent(
                    id: "\(number)", name: "tenant", data: item.result.json.renderedString())
                guard try await isTaken(event) else { return false }
            }
            let job = batch.job.json(now: now).renderedString()
            if version != batch.job.version {
                version = batch.job.version
                guard try await isTaken(ServerSentEvent(name: "job", data: job)) else {
                    return false
                }
            }
            if batch.isEnd {
                let id = EventPosition(number: number, isEnd: true).text
                try await writer.send(ServerSentEvent(id: id, name: "end", data: job))
            }
            return true
        }

        private func isTaken(_ event: ServerSentEvent) async throws -> Bool {
            let start = ContinuousClock.now
            try await writer.send(event)
            if start.duration(to: .now) < slowest { return true }
            try await writer.send(
                ServerSentEvent(
                    name: "slow", data: #"{"reason":"the client does not keep up"}"#, retry: retry))
            return false
        }
    }
}

/// A place in a job's events, as their ids say it: the number of a result, and whether the end was
/// seen.
struct EventPosition: Equatable {
    var number: Int64 = 0
    var isEnd = false

    private static let endMark = "-end"

    init(number: Int64, isEnd: Bool) {
        self.number = number
        self.isEnd = isEnd
    }

    /// The event that a request asks to resume after; the beginning without the field.
    init(_ fields: HTTPFields) throws(Problem) {
        let name = RequestField.lastEventID.rawValue
        let values = fields.values(of: name)
        // A browser that got no id yet sends none, and some clients send it empty.
        guard let text = values.first, !text.isEmpty else { return }
        guard values.count == 1, let position = EventPosition(text: text) else {
            throw Problem(invalid: [
                .init(pointer: "\(name):", detail: "is not an event id of this job")
            ])
        }
        self = position
    }

    init?(text: String) {
        let isEnd = text.hasSuffix(EventPosition.endMark)
        let digits = isEnd ? text.dropLast(EventPosition.endMark.count) : Substring(text)
        let isNumber = digits.utf8.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        }
        guard isNumber, let number = Int64(digits) else { return nil }
        self.init(number: number, isEnd: isEnd)
    }

    var text: String { "\(number)" + (isEnd ? EventPosition.endMark : "") }
}
