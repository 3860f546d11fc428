import Testing

@testable import HTTPLite

@Suite("Server-sent events")
struct ServerSentEventTests {
    @Test(
        "an event is lines that cannot be broken out of",
        arguments: [
            (ServerSentEvent(data: "a"), "data: a\n\n"),
            (ServerSentEvent(data: ""), "data: \n\n"),
            (
                ServerSentEvent(id: "7", name: "job", data: "{}", retry: .milliseconds(1500)),
                "id: 7\nevent: job\nretry: 1500\ndata: {}\n\n"
            ),
            (
                ServerSentEvent(data: "a\nb\r\nc\rd\n"),
                "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"
            ),
            (
                ServerSentEvent(id: "1\ndata: x", name: "a\r\0b", data: "y"),
                "id: 1data: x\nevent: ab\ndata: y\n\n"
            ),
        ])
    func encoding(event: ServerSentEvent, text: String) {
        #expect(String(decoding: event.encoded, as: UTF8.self) == text)
    }

    private func router(
        heartbeat: Duration = .seconds(15),
        _ produce: @escaping @Sendable (EventStreamWriter) async throws -> Void
    ) -> Router {
        var router = Router()
        let last = ServerSentEvent(name: "end", data: "x")
        router.add(.get, "/") { _ in
            .events(heartbeat: heartbeat, lastEvent: last, produce)
        }
        return router
    }

    private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test("events are sent as they come, and the stream ends with its producer")
    func producer() async throws {
        let go = Signal()
        let router = router { writer in
            try await writer.send(ServerSentEvent(id: "1", data: "a"))
            await go.wait()
            try await writer.send(ServerSentEvent(id: "2", data: "b"))
        }
        try await withServer(router) { _, address in
            let client = try RawClient(address)
            await client.send(get)
            await client.read { $0.text.hasSuffix("id: 1\ndata: a\n\n\r\n") }
            #expect(client.text.contains("Content-Type: text/event-stream\r\n"))
            await go.set()
            let response = await client.read(responses: 1).first
            #expect(response?.text == "id: 1\ndata: a\n\nid: 2\ndata: b\n\n")
            // The connection continues.
            await client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(await client.read(responses: 2, methods: ["GET", "HEAD"]).count == 2)
        }
    }

    @Test("a comment is sent when nothing happens")
    func heartbeat() async throws {
        let router = router(heartbeat: .milliseconds(5)) { _ in
            try await untilCancelled()
        }
        try await withServer(router) { _, address in
            let client = try RawClient(address)
            await client.send(get)
            await client.read { $0.text.contains(": ping\n\n\r\n8\r\n: ping\n\n") }
            #expect(client.ending == .open)
        }
    }

    @Test("at a shutdown a stream says its last event and ends whole")
    func drain() async throws {
        let started = Signal()
        let router = router { writer in
            await started.set()
            try await untilCancelled()
        }
        try await withServer(router) { server, address in
            let client = try RawClient(address)
            await client.send(get)
            await started.wait()
            await server.shutdown(deadline: .seconds(60))
            #expect(await client.readToEnd() == .closed)
            #expect(client.responses().map(\.text) == ["event: end\ndata: x\n\n"])
        }
    }

    @Test("a producer is cancelled when its client leaves")
    func clientLeaves() async throws {
        let (started, ended) = (Signal(), Signal())
        let router = router { writer in
            await started.set()
            do { try await untilCancelled() } catch { await ended.set() }
        }
        try await withServer(router) { server, address in
            var client: RawClient? = try RawClient(address)
            await client?.send(get)
            await started.wait()
            client = nil
            await ended.wait()
            #expect(await eventually { server.stats.handlers == 0 })
        }
    }

    @Test("streams beyond the limit are refused")
    func limit() async throws {
        let router = router { _ in
            try await untilCancelled()
        }
        try await withServer(router, adjust: { $0.limits.streams = 1 }) { _, address in
            let (first, second) = (try RawClient(address), try RawClient(address))
            await first.send(get)
            await first.read { $0.text.contains("200 OK") }
            await second.send(get)
            let refused = await second.read(responses: 1).first
            #expect(refused?.status == 503)
            #expect(refused?["Retry-After"] == "5")
        }
    }
}
