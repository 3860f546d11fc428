internal import CSystem
internal import Glibc

/// What the event loop's thread owns: listeners, connections, counts.
final class ServerCore: EventLoopClient, @unchecked Sendable {
    // Safety: all but `configuration`, `handler`, `limits`, `loop` (constant) and `published`
    // (guarded) is touched by the loop's thread alone, and by `HTTPServer.start` before it exists.
    private struct Slot {
        var connection: Connection?
        var generation: UInt32 = 0
    }

    private static let listenerBit: UInt64 = 1 << 63
    private static let acceptsAtOnce = 64
    private static let resumeDelay = Interval(.milliseconds(100))

    let configuration: HTTPServerConfiguration
    let handler: any HTTPHandler
    let limits: SharedLimits
    let loop: EventLoop
    let published = Locked(HTTPServerStats())

    let scratch = Scratch()
    private(set) var encoder: ResponseEncoder
    let drainSignal = DrainSignal()
    var liveHandlers = 0
    var liveStreams = 0
    /// Bytes of all bodies that are being collected.
    var collectedBytes = 0

    private let connectionLimit: Int
    private var listeners: [Listener]
    private var slots: [Slot] = []
    private var freeSlots: [UInt32] = []
    private var connectionsByAddress: [String: Int] = [:]
    private var postponed: [Connection] = []
    private var starts: [HandlerStart] = []
    /// How many of `starts` have begun.
    private var startedCount = 0
    /// The handler that runs in the task `handlerRun`.
    private var serving: HandlerStart?
    private var handlerRun: UInt64 = 0
    private var stats = HTTPServerStats()
    private var dateSecond = 0
    private var isAccepting = false
    private var drainDeadline: Moment?
    private var drained: [CheckedContinuation<Void, Never>] = []

    init(
        configuration: HTTPServerConfiguration, handler: any HTTPHandler, loop: EventLoop,
        listeners: [Listener]
    ) throws(SocketError) {
        self.configuration = configuration
        self.handler = handler
        self.loop = loop
        self.listeners = listeners
        limits = SharedLimits(configuration.limits)
        connectionLimit = Self.connectionLimit(configured: configuration.limits.connections)
        encoder = ResponseEncoder(server: configuration.serverName)
        renewDate()
        for (index, listener) in listeners.enumerated() {
            try loop.add(
                listener.socket, token: Self.listenerBit | UInt64(index),
                interest: .input)
        }
        isAccepting = true
    }

    // MARK: The loop's calls

    var isFinished: Bool { drainDeadline != nil && stats.connections == 0 && liveHandlers == 0 }
    var hasPendingWork: Bool { !postponed.isEmpty || !starts.isEmpty }

    func ready(_ token: UInt64, _ readiness: Readiness) {
        if token & Self.listenerBit != 0 {
            accept(Int(token & ~Self.listenerBit))
        } else {
            connection(token)?.ready(readiness)
        }
    }

    func expired(_ entry: TimerQueue.Entry) {
        if entry.token & Self.listenerBit != 0 {
            if let drainDeadline, loop.now >= drainDeadline { closeAll() }
            setAccepting(stats.connections < connectionLimit)
        } else {
            connection(entry.token)?.expired(entry.moment)
        }
    }

    func finishTurn() {
        // Those that a turn postpones anew wait for the next.
        let count = postponed.count
        for index in 0..<count { postponed[index].turn() }
        postponed.removeFirst(count)
        renewDate()
        pruneTimers()
        stats.handlers = liveHandlers
        published.withLock { $0 = stats }
        if drainDeadline != nil, stats.connections == 0 {
            for waiter in drained { waiter.resume() }
            drained = []
        }
    }

    /// Throws stale entries out when short connections have left many.
    private func pruneTimers() {
        guard loop.timers.count > 4 * stats.connections + 4096 else { return }
        loop.timers.removeAll()
        for slot in slots { slot.connection?.reschedule() }
        // The listeners' own timer looks what is due, so one too many does no harm.
        loop.timers.insert(loop.now + Self.resumeDelay, token: Self.listenerBit)
        if let drainDeadline { loop.timers.insert(drainDeadline, token: Self.listenerBit) }
    }

    private func renewDate() {
        let second = time(nil)
        guard second != dateSecond else { return }
        dateSecond = second
        encoder.setDate(secondsSince1970: second)
    }

    // MARK: Connections

    private func accept(_ index: Int) {
        guard isAccepting, index < listeners.count else { return }
        for _ in 0..<Self.acceptsAtOnce {
            switch listeners[index].accept() {
            case .connection(let socket, let peer, let isLocal):
                open(socket, of: listeners[index], peer: peer, isLocal: isLocal)
                if stats.connections >= connectionLimit {
                    setAccepting(false)
                    return
                }
            case .none:
                return
            case .exhausted:
                // The listener stays ready, so the loop would spin until a descriptor is free.
                stats.exhausted += 1
                setAccepting(false)
                loop.timers.insert(loop.now + Self.resumeDelay, token: Self.listenerBit)
                return
            }
        }
    }

    private func open(_ socket: Socket, of listener: Listener, peer: String, isLocal: Bool) {
        var tls: TLSSession?
        if let context = configuration.tls, !listener.isUnix {
            tls = context.makeSession()
            // Without TLS nothing may be said here.
            if tls == nil { return }
        }
        if !isLocal {
            let count = connectionsByAddress[peer, default: 0]
            guard count < limits.sizes.connectionsPerAddress else {
                stats.turnedAway += 1
                return
            }
            connectionsByAddress[peer] = count + 1
        }
        socket.disableNagle()
        let index = freeSlots.popLast() ?? UInt32(slots.count)
        if index == slots.count { slots.append(Slot()) }
        slots[Int(index)].generation &+= 1
        let token = UInt64(slots[Int(index)].generation & 0x7FFF_FFFF) << 32 | UInt64(index)
        stats.accepted += 1
        stats.connections += 1
        let connection = Connection(
            transport: Transport(socket: socket, tls: tls), token: token, peer: peer,
            isLocal: isLocal, core: self)
        slots[Int(index)].connection = connection
        do throws(SocketError) {
            try loop.add(socket, token: token, interest: .input)
        } catch {
            connection.closeNow()
        }
    }

    /// The connection of a token; nil if it is closed and its slot perhaps used again.
    private func connection(_ token: UInt64) -> Connection? {
        let index = Int(token & 0xFFFF_FFFF)
        guard index < slots.count, let connection = slots[index].connection,
            connection.token == token
        else { return nil }
        return connection
    }

    func closed(_ connection: Connection) {
        let index = UInt32(truncatingIfNeeded: connection.token)
        slots[Int(index)].connection = nil
        freeSlots.append(index)
        stats.connections -= 1
        if !connection.isLocal {
            let left = connectionsByAddress[connection.peer, default: 1] - 1
            connectionsByAddress[connection.peer] = left > 0 ? left : nil
        }
        // Some room first, so that a full server does not turn its listeners on and off.
        if !isAccepting, stats.connections <= connectionLimit * 9 / 10 { setAccepting(true) }
    }

    /// Gives a connection another turn after the sockets of the others.
    func continueLater(_ connection: Connection) {
        postponed.append(connection)
    }

    private func setAccepting(_ accepts: Bool) {
        guard accepts != isAccepting, drainDeadline == nil else { return }
        isAccepting = accepts
        for (index, listener) in listeners.enumerated() {
            loop.modify(
                listener.socket, token: Self.listenerBit | UInt64(index),
                interest: accepts ? .input : [])
        }
    }

    /// Leaves 256 descriptors for everything else that the process opens.
    private static func connectionLimit(configured: Int) -> Int {
        var files = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files) == 0 else {
            return configured
        }
        return max(16, min(configured, Int(clamping: files.rlim_cur) - 256))
    }

    // MARK: Requests

    /// Runs a handler before the loop waits again.
    func start(_ handler: HandlerStart) {
        liveHandlers += 1
        starts.append(handler)
    }

    /// Runs the handlers of all requests that have come in this turn.
    ///
    /// A task costs more than a small handler, so one runs them in turn. It stays with the first
    /// that suspends, and those that are left get another.
    func startHandlers() {
        while startedCount < starts.count {
            let run = handlerRun
            let task = Task.immediate(executorPreference: loop) { await self.serve(inRun: run) }
            handlerRun &+= 1
            if let suspended = serving {
                serving = nil
                suspended.connection.keep(task, serial: suspended.serial)
            }
        }
        startedCount = 0
        starts.removeAll(keepingCapacity: true)
    }

    private func serve(inRun run: UInt64) async {
        while run == handlerRun, startedCount < starts.count {
            let next = starts[startedCount]
            startedCount += 1
            serving = next
            await next.connection.serve(next.request, next.serial)
            if run == handlerRun { serving = nil }
            liveHandlers -= 1
        }
    }

    /// The handler's response, or the one for its error.
    func respond(to request: HTTPRequest) async -> HTTPResponse {
        do {
            let response = try await handler.handle(request)
            // An interim status would leave the client waiting for the final one.
            if response.status.code >= 200 { return response }
        } catch let failure as HTTPFailure {
            return configuration.renderFailure(failure, request.requestID)
        } catch is CancellationError {
            let failure = HTTPFailure(.overloaded, "the request was given up")
            return configuration.renderFailure(failure, request.requestID)
        } catch {
            configuration.onUncaught?(error, request.requestID)
        }
        let failure = HTTPFailure(.internalError, "the server failed to answer")
        return configuration.renderFailure(failure, request.requestID)
    }

    /// The response in place of a stream for which there is no room.
    func tooManyStreams(_ request: HTTPRequest) -> HTTPResponse {
        configuration.renderFailure(
            HTTPFailure(
                .overloaded, "too many streams are open", rfc: "RFC 9110, 15.6.4",
                fields: ["Retry-After": "5"]), request.requestID)
    }

    /// The time for the access log; not asked for where there is none.
    func clock() -> Moment {
        configuration.onAccess == nil ? loop.now : .read()
    }

    func log(_ record: AccessRecord, peer: String, isComplete: Bool) {
        stats.requests += 1
        configuration.onAccess?(record.entry(peer: peer, isComplete: isComplete))
    }

    // MARK: Shutdown

    /// Stops accepting, lets what runs come to its end until the deadline, then closes all.
    func drain(deadline: Duration, _ waiter: CheckedContinuation<Void, Never>) {
        drained.append(waiter)
        let moment = loop.now + Interval(deadline)
        let isFirst = drainDeadline == nil
        drainDeadline = min(moment, drainDeadline ?? .never)
        loop.timers.insert(moment, token: Self.listenerBit)
        guard isFirst else { return }
        for listener in listeners {
            loop.remove(listener.socket)
            listener.removeFile()
        }
        listeners = []
        drainSignal.set()
        for slot in slots { slot.connection?.beginDrain() }
    }

    private func closeAll() {
        for slot in slots { slot.connection?.closeNow() }
    }
}

/// A request whose handler is to run; `serial` tells whether its connection still waits for it.
struct HandlerStart {
    let connection: Connection
    let request: HTTPRequest
    let serial: UInt64
}
