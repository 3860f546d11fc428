import Testing

@testable import HTTPLite

@Suite("Connection machine")
struct ConnectionMachineTests {
    private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    private func post(_ fields: String, _ body: String = "") -> String {
        "POST /p HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)"
    }

    @Test("a connection serves one request after the other")
    func keepAlive() {
        var script = MachineScript()
        #expect(script.receive(get) == ["route /", "handle"])
        #expect(script.respond() == ["sent"])
        #expect(script.receive(get) == ["route /", "handle"])
        #expect(script.respond() == ["sent"])
        #expect(script.machine.isQuiet)
    }

    @Test("pipelined requests wait for the answer before them")
    func pipelining() {
        var script = MachineScript()
        #expect(
            script.receive(get + get + post("Content-Length: 2", "ab")) == ["route /", "handle"])
        #expect(script.respond() == ["sent", "route /", "handle"])
        #expect(script.respond() == ["sent", "route /p", "handle 2"])
        #expect(script.respond() == ["sent"])
    }

    @Test("the answer to a last request says close, then the client may read it in peace")
    func closing() {
        var script = MachineScript()
        _ = script.receive("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + get)
        #expect(script.respond() == ["sent close", "end"])
        #expect(script.receive(get) == [])
        #expect(script.receiveEnd() == ["close"])
    }

    @Test("a handler may ask for the end")
    func handlerCloses() {
        var script = MachineScript()
        _ = script.receive(get)
        #expect(script.respond(asksToClose: true) == ["sent close", "end"])
    }

    @Test("a stream to an HTTP/1.0 client is ended by closing")
    func untilClose() {
        var script = MachineScript()
        _ = script.receive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        #expect(script.respond(length: nil) == ["sent close", "end"])
    }

    @Test("lingering ends with the client, the time or the bytes")
    func lingering() {
        for ending in 0..<3 {
            var script = MachineScript { $0.lingerBytes = 10 }
            #expect(script.receive("GET\n") == ["refuse 400", "end"])
            switch ending {
            case 0: #expect(script.receiveEnd() == ["close"])
            case 1: #expect(script.wait(.seconds(2)) == ["close"])
            default:
                #expect(script.receive("0123456789") == [])
                #expect(script.receive("x") == ["close"])
            }
        }
    }

    @Test("the last requests of a connection are counted")
    func requestLimit() {
        var script = MachineScript { $0.requestsPerConnection = 2 }
        _ = script.receive(get + get)
        #expect(script.respond() == ["sent", "route /", "handle"])
        #expect(script.respond() == ["sent close", "end"])
    }

    // MARK: Bodies

    @Test("a body is collected up to the route's limit and refused beyond it, before it is read")
    func bodyLimit() {
        let bounds = RouteBounds(body: .collect(limit: 4))
        var script = MachineScript()
        #expect(
            script.receive(post("Content-Length: 4", "ab"), bounds: bounds) == ["route /p"])
        #expect(script.receive("cd") == ["handle 4"])
        script = MachineScript()
        #expect(
            script.receive(post("Content-Length: 5"), bounds: bounds)
                == ["route /p", "refuse 413", "end"])
        script = MachineScript()
        #expect(
            script.receive(post("Transfer-Encoding: chunked", "5\r\n"), bounds: bounds)
                == ["route /p", "refuse 413", "end"])
    }

    @Test("100 Continue is sent once the body is wanted, and only then")
    func expectContinue() {
        let expecting = post("Content-Length: 2\r\nExpect: 100-continue")
        var script = MachineScript()
        #expect(script.receive(expecting) == ["route /p", "continue"])
        #expect(script.receive("ab") == ["handle 2"])
        #expect(script.respond() == ["sent"])
        // The body has come already.
        #expect(script.receive(expecting + "ab") == ["route /p", "handle 2"])
        #expect(script.respond() == ["sent"])
        // Too long: the final status comes instead.
        script = MachineScript()
        #expect(
            script.receive(expecting, bounds: RouteBounds(body: .collect(limit: 1)))
                == ["route /p", "refuse 413", "end"])
        // Ignored: nobody knows whether the client will send it, so the connection ends.
        script = MachineScript()
        #expect(
            script.receive(expecting, bounds: RouteBounds(body: .ignore)) == ["route /p", "handle"])
        #expect(script.respond() == ["sent close", "end"])
    }

    @Test("an unread body is dropped within its bound, else the connection ends")
    func unreadBody() {
        let ignore = RouteBounds(body: .ignore)
        var script = MachineScript { $0.unreadBodyBytes = 4 }
        #expect(
            script.receive(post("Content-Length: 4", "ab"), bounds: ignore) == [
                "route /p", "handle",
            ])
        #expect(script.respond() == ["sent"])
        #expect(script.receive("cd" + get) == ["route /", "handle"])
        #expect(script.respond() == ["sent"])
        _ = script.receive(post("Content-Length: 5"), bounds: ignore)
        #expect(script.respond() == ["sent close", "end"])
        script = MachineScript { $0.unreadBodyBytes = 4 }
        _ = script.receive(post("Transfer-Encoding: chunked", "3\r\nabc\r\n"), bounds: ignore)
        #expect(script.respond() == ["sent"])
        #expect(script.receive("3\r\nabc\r\n") == ["end"])
    }

    @Test("a body that ends early is refused")
    func incompleteBody() {
        var script = MachineScript()
        _ = script.receive(post("Content-Length: 5", "abc"))
        #expect(script.receiveEnd() == ["refuse 400", "close"])
    }

    // MARK: The client's end

    @Test("a client that ends its side gets the answers that it has asked for")
    func halfClose() {
        var script = MachineScript()
        _ = script.receive(get + get)
        #expect(script.receiveEnd() == [])
        #expect(script.respond() == ["sent", "route /", "handle"])
        #expect(script.respond() == ["sent close", "close"])
    }

    @Test("a client that leaves inside a head is let go without a word")
    func leavesEarly() {
        var script = MachineScript()
        #expect(script.receive("GET / HT") == [])
        #expect(script.receiveEnd() == ["close"])
    }

    @Test("a handler is cancelled a while after its client ended its side")
    func cancelsAfterHalfClose() {
        var script = MachineScript()
        _ = script.receive(get)
        _ = script.receiveEnd()
        #expect(script.wait(.milliseconds(999)) == [])
        #expect(script.wait(.milliseconds(1)) == ["cancel"])
        #expect(script.respond() == ["sent close", "close"])
    }

    // MARK: Time

    @Test("a new connection must say something", arguments: [("", "close"), ("GET", "refuse 408")])
    func firstByte(text: String, then: String) {
        var script = MachineScript()
        _ = script.receive(text)
        #expect(script.wait(.seconds(9)) == [])
        #expect(script.wait(.seconds(1)).first == then)
    }

    @Test("a handshake has its own time, after which requests have theirs")
    func handshake() {
        var script = MachineScript(awaitsHandshake: true)
        #expect(script.machine.isQuiet)
        #expect(script.wait(.seconds(10)) == ["close"])
        script = MachineScript(awaitsHandshake: true)
        #expect(script.wait(.seconds(9)) == [])
        script.machine.handshakeEnded(now: script.now)
        #expect(script.wait(.seconds(9)) == [])
        #expect(script.receive(get) == ["route /", "handle"])
        script = MachineScript(awaitsHandshake: true)
        #expect(script.receiveEnd() == ["close"])
        script = MachineScript(awaitsHandshake: true)
        #expect(script.drain() == ["close"])
    }

    @Test("a head that drips is given up ten seconds after its first byte")
    func slowHead() {
        var script = MachineScript()
        for byte in "GET / HTTP".utf8 {
            _ = script.receive(String(UnicodeScalar(byte)))
            if script.machine.phase != .head { break }
            #expect(script.wait(.milliseconds(990)) == [])
        }
        #expect(script.wait(.milliseconds(100)) == ["refuse 408", "end"])
    }

    @Test("a body must make progress, and come to an end")
    func slowBody() {
        var script = MachineScript()
        _ = script.receive(post("Content-Length: 1000", "a"))
        #expect(script.wait(.seconds(30)) == ["refuse 408", "end"])
        script = MachineScript()
        _ = script.receive(post("Content-Length: 1000", "a"))
        for _ in 0..<14 {
            #expect(script.wait(.seconds(20)) == [])
            #expect(script.receive("a") == [])
        }
        #expect(script.wait(.seconds(20)) == ["refuse 408", "end"])
    }

    @Test("a handler has its route's time")
    func handlerTimeout() {
        var script = MachineScript()
        _ = script.receive(get)
        #expect(script.wait(.seconds(30)) == ["refuse 503", "end"])
        script = MachineScript()
        _ = script.receive(get, bounds: RouteBounds(timeout: .after(.seconds(300))))
        #expect(script.wait(.seconds(299)) == [])
        #expect(script.wait(.seconds(1)) == ["refuse 503", "end"])
    }

    @Test("a stream has no time limit of its own")
    func streamTime() {
        var script = MachineScript()
        _ = script.receive(get)
        _ = script.machine.respond(status: .ok, length: nil, asksToClose: false, now: script.now)
        #expect(script.wait(.seconds(86_400)) == [])
    }

    @Test("an idle connection is closed without a word; what is pending counts as use")
    func idle() {
        var script = MachineScript()
        _ = script.receive(get)
        _ = script.respond(unsent: 300)
        for _ in 0..<3 {
            #expect(script.wait(.seconds(29)) == [])
            #expect(script.take(100) == [])
        }
        #expect(script.wait(.seconds(69)) == [])
        #expect(script.wait(.seconds(1)) == ["close"])
    }

    @Test("a client that takes no byte for long is reset")
    func slowReader() {
        var script = MachineScript()
        _ = script.receive(get)
        _ = script.respond(unsent: 100)
        #expect(script.wait(.seconds(30)) == ["reset"])
    }

    // MARK: Back-pressure

    @Test("a client that does not read its answers is not asked for more")
    func backPressure() {
        var script = MachineScript { $0.outputBytes = 1000 }
        _ = script.receive(get + get)
        #expect(script.respond(unsent: 1000) == ["sent"])
        #expect(!script.machine.wantsInput)
        #expect(script.take(1) == ["route /", "handle"])
    }

    @Test("a client that pipelines too much waits in the kernel")
    func pipelineLimit() {
        var script = MachineScript { $0.pipelineBytes = 100 }
        _ = script.receive(get)
        #expect(script.machine.wantsInput)
        _ = script.receive(String(repeating: get, count: 4))
        #expect(!script.machine.wantsInput)
    }

    // MARK: Shutdown

    @Test("at shutdown quiet connections end, busy ones after their answer")
    func drains() {
        var script = MachineScript()
        #expect(script.drain() == ["close"])
        script = MachineScript()
        _ = script.receive(get)
        #expect(script.drain() == [])
        #expect(script.respond() == ["sent close", "end"])
        script = MachineScript()
        _ = script.receive("GET / HT")
        #expect(script.drain() == [])
        #expect(script.receive("TP/1.1\r\nHost: a\r\n\r\n") == ["route /", "handle"])
        #expect(script.respond() == ["sent close", "end"])
    }
}
