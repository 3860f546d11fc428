import Descriptors
import Glibc
import Synchronization
import Testing

@testable import HTTPLite

@Suite("Server on sockets")
struct HTTPServerTests {
    private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    private func router(
        _ handler: @escaping Router.Action = { _ in
            HTTPResponse(status: .ok, body: .bytes(Array("hello".utf8)))
        }
    ) -> Router {
        var router = Router()
        router.add(.get, "/", handler: handler)
        router.add(.post, "/") { HTTPResponse(status: .ok, body: .bytes($0.body)) }
        return router
    }

    // MARK: Requests

    @Test("a connection is kept and answers in order")
    func keepAlive() async throws {
        try await withServer(router()) { server, address in
            let client = try RawClient(address)
            await client.send(get)
            #expect(await client.read(responses: 1).map(\.text) == ["hello"])
            await client.send(
                get + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + get)
            #expect(
                await client.read(responses: 4).map(\.text) == ["hello", "hello", "abc", "hello"])
            #expect(server.stats.accepted == 1)
        }
    }

    @Test("handlers that wait hold up none of the requests that came with theirs")
    func waitingHandlers() async throws {
        var router = Router()
        let last = Signal()
        router.add(.get, "/wait") { _ in
            await last.wait()
            return HTTPResponse(status: .ok, body: .bytes(Array("waited".utf8)))
        }
        router.add(.get, "/go") { _ in
            await last.set()
            return HTTPResponse(status: .ok)
        }
        try await withServer(router) { _, address in
            let waiting = try (0..<20).map { _ in try RawClient(address) }
            let last = try RawClient(address)
            for client in waiting { await client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n") }
            await last.send("GET /go HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(await last.read(responses: 1).map(\.status) == [200])
            for client in waiting {
                #expect(await client.read(responses: 1).map(\.text) == ["waited"])
            }
        }
    }

    @Test("a long pipeline is answered whole and in order")
    func longPipeline() async throws {
        var router = Router()
        router.add(.get, "/{number}") { request in
            if request.path.hasSuffix("7") { await Task.yield() }
            return HTTPResponse(status: .ok, body: .bytes(Array(request.path.utf8)))
        }
        try await withServer(router) { _, address in
            let client = try RawClient(address)
            let paths = (0..<500).map { "/\($0)" }
            await client.send(paths.map { "GET \($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
            #expect(await client.read(responses: 500).map(\.text) == paths)
        }
    }

    @Test("a large body goes in and out whole")
    func largeBody() async throws {
        var router = Router()
        router.add(.post, "/", maxBodyBytes: 8 << 20) {
            HTTPResponse(status: .ok, body: .bytes($0.body.reversed()))
        }
        try await withServer(router) { _, address in
            let body = (0..<(5 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let client = try RawClient(address)
            await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n")
            await client.send(body)
            await client.read { $0.received.count > body.count + 100 }
            await client.read(within: .milliseconds(200)) { !$0.responses().isEmpty }
            #expect(client.responses().first?.body == body.reversed())
        }
    }

    @Test("request ids are the caller's where they can be, on failures too")
    func requestIDs() async throws {
        try await withServer(router()) { _, address in
            for (given, isKept) in [
                ("abc-1", true), (String(repeating: "x", count: 128), true),
                (String(repeating: "x", count: 129), false), ("", false), ("caf\u{e9}", false),
            ] {
                let client = try RawClient(address)
                await client.send("GET /none HTTP/1.1\r\nHost: a\r\nX-Request-Id: \(given)\r\n\r\n")
                let id = await client.read(responses: 1).first?["X-Request-Id"]
                #expect(id != nil && (id == given) == isKept)
            }
            let client = try RawClient(address)
            await client.send("GET\n")
            #expect(await client.read(responses: 1).first?["X-Request-Id"] != nil)
        }
    }

    @Test("an error of a handler is told to the log and not to the client")
    func uncaught() async throws {
        struct Secret: Error {}
        let seen = Mutex<[String]>([])
        try await withServer(router { _ in throw Secret() }) {
            $0.onUncaught = { error, id in seen.withLock { $0.append("\(error) \(id)") } }
        } _: { _, address in
            let client = try RawClient(address)
            await client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: r9\r\n\r\n" + get)
            let responses = await client.read(responses: 2)
            #expect(responses.map(\.status) == [500, 500])
            #expect(responses.allSatisfy { !$0.text.contains("Secret") })
            #expect(seen.withLock { $0.first } == "Secret() r9")
        }
    }

    @Test("HEAD has the head of GET and no body")
    func head() async throws {
        try await withServer(router()) { _, address in
            let client = try RawClient(address)
            await client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get)
            let responses = await client.read(responses: 2, methods: ["HEAD", "GET"])
            #expect(responses.map(\.text) == ["", "hello"])
            #expect(responses.map { $0["Content-Length"] } == ["5", "5"])
        }
    }

    @Test("an access entry is written for what is answered and for what is refused")
    func accessLog() async throws {
        let seen = Mutex<[String]>([])
        try await withServer(router()) {
            $0.onAccess = { entry in
                let line = "\(entry.method) \(entry.path) \(entry.status?.code ?? 0) \(entry.peer)"
                seen.withLock { $0.append(line) }
            }
        } _: { _, address in
            let client = try RawClient(address)
            await client.send("GET /?token=secret HTTP/1.1\r\nHost: a\r\n\r\nbad\n")
            #expect(await client.readToEnd() == .closed)
            #expect(seen.withLock { $0 } == ["GET / 200 127.0.0.1", "- - 400 127.0.0.1"])
        }
    }

    // MARK: Clients that misbehave

    @Test("a handler is cancelled when its client resets")
    func cancelledByReset() async throws {
        let (started, ended) = (Signal(), Signal())
        let router = router { _ in
            await started.set()
            do { try await untilCancelled() } catch { await ended.set() }
            return HTTPResponse(status: .ok)
        }
        try await withServer(router) { server, address in
            var client: RawClient? = try RawClient(address)
            await client?.send(get)
            await started.wait()
            client?.resetAtEnd()
            client = nil
            await ended.wait()
            #expect(
                await eventually { server.stats.handlers == 0 && server.stats.connections == 0 })
        }
    }

    @Test("a handler is cancelled when its client leaves, and answers one that only ended its side")
    func cancelledByLeaving() async throws {
        let ended = Signal()
        let router = router { _ in
            do { try await untilCancelled() } catch { await ended.set() }
            return HTTPResponse(status: .ok)
        }
        try await withServer(router, adjust: { $0.limits.halfCloseTimeout = .milliseconds(20) }) {
            _, address in
            let client = try RawClient(address)
            await client.send(get)
            client.endOutput()
            await ended.wait()
            #expect(await client.read(responses: 1).map(\.status) == [200])
            #expect(await client.readToEnd() == .closed)
        }
    }

    @Test(
        "time runs out for heads, bodies, handlers and silence",
        arguments: [
            ("", 0), ("GET / HT", 408),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", 408),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 503),
        ])
    func timeouts(text: String, status: Int) async throws {
        let router = router { _ in
            try await untilCancelled()
            return HTTPResponse(status: .ok)
        }
        try await withServer(router) {
            $0.limits.firstByteTimeout = .milliseconds(50)
            $0.limits.headTimeout = .milliseconds(50)
            $0.limits.bodyIdleTimeout = .milliseconds(50)
            $0.limits.handlerTimeout = .milliseconds(50)
            $0.limits.lingerTimeout = .milliseconds(50)
        } _: { server, address in
            let client = try RawClient(address)
            await client.send(text)
            #expect(await client.readToEnd() == .closed)
            #expect(client.responses().map(\.status) == (status == 0 ? [] : [status]))
            #expect(await eventually { server.stats.handlers == 0 })
        }
    }

    @Test("a client that floods after its last answer is not read without bound")
    func flood() async throws {
        try await withServer(router()) { server, address in
            let client = try RawClient(address)
            await client.send("bad\n" + String(repeating: "x", count: 4 << 20))
            #expect(await eventually { server.stats.connections == 0 })
        }
    }

    // MARK: Streams

    @Test(
        "a stream is chunked, and what cannot be finished is visibly cut", arguments: [true, false])
    func streams(fails: Bool) async throws {
        struct Broken: Error {}
        let router = router { _ in
            HTTPResponse(
                status: .ok,
                body: .stream { writer in
                    for number in 0..<1000 { try await writer.write("\(number)\n") }
                    if fails { throw Broken() }
                })
        }
        try await withServer(router) { _, address in
            let client = try RawClient(address)
            await client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            let ending = await client.readToEnd()
            let text = (0..<1000).map { "\($0)\n" }.joined()
            #expect(client.responses().map(\.text) == (fails ? [] : [text]))
            #expect(fails == (ending == .reset))
        }
    }

    @Test("a stream to an HTTP/1.0 client ends with the connection")
    func streamHTTP10() async throws {
        let router = router { _ in
            HTTPResponse(status: .ok, body: .stream { try await $0.write("all") })
        }
        try await withServer(router) { _, address in
            let client = try RawClient(address)
            await client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(await client.readToEnd() == .closed)
            let text = String(decoding: client.received, as: UTF8.self)
            #expect(text.hasSuffix("\r\n\r\nall"))
            #expect(!text.contains("Transfer-Encoding"))
        }
    }

    @Test("a stream waits for a slow reader and holds little meanwhile")
    func backPressure() async throws {
        let written = Atomic<Int>(0)
        let piece = [UInt8](repeating: 0x61, count: 10_000)
        let router = router { _ in
            HTTPResponse(
                status: .ok,
                body: .stream { writer in
                    for _ in 0..<3000 {
                        try await writer.write(piece)
                        written.add(1, ordering: .relaxed)
                    }
                })
        }
        try await withServer(router) { _, address in
            let client = try RawClient(address)
            await client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            // The writer stands still once the kernel's and our own buffers are full.
            var last = -1
            let hasStalled = await eventually {
                try? await Task.sleep(for: .milliseconds(100))
                defer { last = written.load(ordering: .relaxed) }
                return last > 0 && last == written.load(ordering: .relaxed)
            }
            #expect(hasStalled)
            #expect(last < 2500)
            #expect(await client.readToEnd() == .closed)
            #expect(client.responses().first?.body.count == 30_000_000)
        }
    }

    @Test("a stream whose reader stops is cut and its handler told")
    func stalledReader() async throws {
        let ended = Signal()
        let router = router { _ in
            HTTPResponse(
                status: .ok,
                body: .stream { writer in
                    do {
                        while true { try await writer.write([UInt8](repeating: 0, count: 65_536)) }
                    } catch {
                        await ended.set()
                        throw error
                    }
                })
        }
        try await withServer(router, adjust: { $0.limits.writeTimeout = .milliseconds(100) }) {
            server, address in
            let client = try RawClient(address)
            await client.send(get)
            await ended.wait()
            #expect(await eventually { server.stats.connections == 0 })
            #expect(await client.readToEnd() == .reset)
        }
    }

    // MARK: Listeners

    @Test("a Unix socket has its mode, its peer's name, and is taken away at the end")
    func unixSocket() async throws {
        let path = "/tmp/httplite-test-\(getpid())-\(UInt32.random(in: 0...9999)).sock"
        let router = router { HTTPResponse(status: .ok, body: .bytes(Array($0.peer.utf8))) }
        // A file left behind by a killed server is not in the way.
        let left = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let bound = SocketAddress(path: path)?.withPointer { bind(left, $0, $1) }
        #expect(bound == 0)
        close(left)
        try await withServer(router, adjust: { $0.listeners = [.unix(path: path, mode: 0o640)] }) {
            _, address in
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o640)
            let client = try RawClient(address)
            await client.send(get)
            #expect(await client.read(responses: 1).map(\.text) == ["unix"])
            var second = HTTPServerConfiguration(listeners: [address])
            second.limits.backlog = 1
            let server = HTTPServer(configuration: second, handler: Router())
            #expect(throws: SocketError.self) { try server.start() }
        }
        #expect(access(path, F_OK) != 0)
    }

    @Test(
        "systemd's sockets are taken over when they are meant for this process",
        arguments: [
            (["LISTEN_PID": "7", "LISTEN_FDS": "2"], [3, 4]),
            (["LISTEN_PID": "8", "LISTEN_FDS": "2"], []),
            (["LISTEN_FDS": "2"], []), (["LISTEN_PID": "7", "LISTEN_FDS": "0"], []),
            (["LISTEN_PID": "7", "LISTEN_FDS": "x"], []), ([:], []),
        ] as [([String: String], [Int32])])
    func activation(environment: [String: String], descriptors: [Int32]) {
        let found = ListenerAddress.activated(environment: environment, processID: 7)
        #expect(found == descriptors.map { .inherited(descriptor: $0) })
    }

    @Test("an inherited socket is served, another descriptor refused")
    func inherited() async throws {
        let made = try #require(
            try Listener.open(.tcp(host: "127.0.0.1", port: 0), backlog: 5).first)
        let descriptor = made.socket.descriptor.withDescriptor { dup($0) }
        try await withServer(
            router(), adjust: { $0.listeners = [.inherited(descriptor: descriptor)] }
        ) { _, address in
            #expect(address == made.address)
            let client = try RawClient(address)
            await client.send(get)
            #expect(await client.read(responses: 1).map(\.status) == [200])
        }
        for bad in [open("/dev/null", O_RDONLY), socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)] {
            let server = HTTPServer(
                configuration: HTTPServerConfiguration(listeners: [.inherited(descriptor: bad)]),
                handler: Router())
            #expect(throws: SocketError.self) { try server.start() }
            close(bad)
        }
    }

    @Test("unfinished bodies are bounded over all clients")
    func collectedBytes() async throws {
        try await withServer(router(), adjust: { $0.limits.collectedBytes = 100_000 }) {
            _, address in
            let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n"
            let first = try RawClient(address)
            await first.send(post + String(repeating: "a", count: 60_000))
            // An answer on another connection tells that the server has read what came before.
            let probe = try RawClient(address)
            for count in 1...50 {
                await probe.send(get)
                _ = await probe.read(responses: count)
            }
            let second = try RawClient(address)
            await second.send(post + String(repeating: "b", count: 60_000))
            #expect(await second.read(responses: 1).map(\.status) == [503])
            await first.send(String(repeating: "a", count: 30_000))
            #expect(await first.read(responses: 1).first?.body.count == 90_000)
        }
    }

    @Test("a port in use and a name that does not resolve are clear errors")
    func startErrors() async throws {
        try await withServer(router()) { _, address in
            for (taken, operation) in [
                (address, SocketError.Operation.bind),
                (.tcp(host: "no-such-host.invalid", port: 1), .resolve),
                (.unix(path: String(repeating: "x", count: 200), mode: 0o600), .bind),
                (.unix(path: "/no/such/folder/x", mode: 0o600), .bind),
            ] {
                let server = HTTPServer(
                    configuration: HTTPServerConfiguration(listeners: [taken]), handler: Router())
                let failure = #expect(throws: SocketError.self) { try server.start() }
                #expect(failure?.operation == operation)
                #expect(failure?.description.contains(taken.description) == true)
            }
        }
    }

    @Test("connections beyond the limit wait and are served when others end")
    func connectionLimit() async throws {
        try await withServer(
            router(),
            adjust: {
                $0.limits.connections = 16
                $0.limits.firstByteTimeout = .seconds(600)
            }
        ) { server, address in
            var held: [RawClient] = []
            for _ in 0..<16 { held.append(try RawClient(address)) }
            #expect(await eventually { server.stats.connections == 16 })
            let waiting = try RawClient(address)
            await waiting.send(get)
            await waiting.read(within: .milliseconds(100)) { !$0.received.isEmpty }
            #expect(waiting.received.isEmpty)
            held.removeAll()
            #expect(await waiting.read(responses: 1).map(\.status) == [200])
        }
    }

    @Test("handlers beyond the limit are refused with a time to come back")
    func handlerLimit() async throws {
        let (started, go) = (Signal(), Signal())
        let router = router { _ in
            await started.set()
            await go.wait()
            return HTTPResponse(status: .ok)
        }
        try await withServer(router, adjust: { $0.limits.handlers = 1 }) { _, address in
            let first = try RawClient(address)
            await first.send(get)
            await started.wait()
            let second = try RawClient(address)
            await second.send(get)
            let refused = await second.read(responses: 1)
            #expect(refused.map(\.status) == [503])
            #expect(refused.first?["Retry-After"] == "1")
            await go.set()
            #expect(await first.read(responses: 1).map(\.status) == [200])
        }
    }

    // MARK: Shutdown

    @Test("at shutdown running requests are answered and say close, idle connections end")
    func shutdown() async throws {
        let (started, go) = (Signal(), Signal())
        let router = router { _ in
            await started.set()
            await go.wait()
            return HTTPResponse(status: .ok)
        }
        try await withServer(router) { server, address in
            let (idle, busy) = (try RawClient(address), try RawClient(address))
            await busy.send(get)
            await started.wait()
            async let stopped: Void = server.shutdown(deadline: .seconds(60))
            #expect(await idle.readToEnd() == .closed)
            #expect(throws: SocketError.self) { try RawClient(address) }
            await go.set()
            let response = await busy.read(responses: 1).first
            #expect(response?["Connection"] == "close")
            #expect(await busy.readToEnd() == .closed)
            await stopped
        }
    }

    @Test("at the deadline of a shutdown handlers are cancelled and connections cut")
    func shutdownDeadline() async throws {
        let (started, ended) = (Signal(), Signal())
        let router = router { _ in
            await started.set()
            do { try await untilCancelled() } catch { await ended.set() }
            return HTTPResponse(status: .ok)
        }
        try await withServer(router) { server, address in
            let client = try RawClient(address)
            await client.send(get)
            await started.wait()
            await server.shutdown(deadline: .milliseconds(50))
            await ended.wait()
            #expect(await client.readToEnd() == .reset)
            #expect(server.stats.connections == 0)
        }
    }
}
