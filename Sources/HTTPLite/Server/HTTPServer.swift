/// An HTTP/1.1 server on one event loop thread.
///
/// ```swift
/// var router = Router()
/// router.add(.get, "/healthz") { _ in HTTPResponse(status: .ok) }
/// let server = HTTPServer(
///     configuration: HTTPServerConfiguration(listeners: [.tcp(host: "127.0.0.1", port: 0)]),
///     handler: router)
/// print(try server.start())
/// ```
public final class HTTPServer: Sendable {
    private let configuration: HTTPServerConfiguration
    private let handler: any HTTPHandler
    private let core = Locked<ServerCore?>(nil)

    /// Makes a server; nothing is opened before `start`.
    public init(configuration: HTTPServerConfiguration, handler: any HTTPHandler) {
        self.configuration = configuration
        self.handler = handler
    }

    /// Binds all listeners and serves until `shutdown`; to be called once.
    ///
    /// - Returns: the addresses with the ports that the system chose.
    @discardableResult
    public func start() throws(SocketError) -> [ListenerAddress] {
        var listeners: [Listener] = []
        for address in configuration.listeners {
            listeners += try Listener.open(address, backlog: configuration.limits.backlog)
        }
        let loop = try EventLoop()
        let started = try ServerCore(
            configuration: configuration, handler: handler, loop: loop, listeners: listeners)
        core.withLock { core in
            precondition(core == nil, "a server is started once")
            core = started
        }
        try loop.start(started)
        return listeners.map(\.address)
    }

    /// Counts since the start; zeros before it.
    public var stats: HTTPServerStats {
        core.withLock { $0 }?.published.withLock { $0 } ?? HTTPServerStats()
    }

    /// Stops accepting, lets running requests be answered, and closes every connection.
    ///
    /// - Parameter deadline: after this long, handlers are cancelled and connections are cut.
    public func shutdown(deadline: Duration) async {
        guard let core = core.withLock({ $0 }) else { return }
        await withCheckedContinuation { continuation in
            let isOpen = core.loop.execute { core.drain(deadline: deadline, continuation) }
            if !isOpen { continuation.resume() }
        }
    }
}
