/// One connection: performs what its machine decides, on a socket and with a handler's task.
final class Connection: @unchecked Sendable {
    // Safety: every property is touched by the event loop's thread alone; handlers' tasks run on
    // it, and the body writer enters through `EventLoop.execute`.
    let token: UInt64
    let peer: String
    let isLocal: Bool
    let core: ServerCore
    /// Nil once the connection is closed.
    private(set) var transport: Transport?

    var machine: ConnectionMachine
    private var interest: Readiness = .input
    private var isInTurn = false
    private var isPostponed = false
    /// A handler is about to run, and with its answer or its first pause comes another turn.
    var awaitsStart = false
    /// Responses since the last turn.
    var answersInTurn = 0
    /// This connection's part of the bodies being collected.
    private var collectedBytes = 0
    /// The deadline whose timer counts; others of this token are stale.
    private var timerMoment = Moment.never

    var clientCertificate: ClientCertificate?
    var request: HTTPRequest?
    var task: Task<Void, Never>?
    /// Counts handlers, so that the answer of one that was given up is known as late.
    var serial: UInt64 = 0
    var plan: ResponsePlan?
    var access: AccessRecord?
    var waiters: [CheckedContinuation<Void, any Error>] = []

    init(
        transport: Transport, token: UInt64, peer: String, isLocal: Bool, core: ServerCore
    ) {
        self.transport = transport
        self.token = token
        self.peer = peer
        self.isLocal = isLocal
        self.core = core
        machine = ConnectionMachine(
            limits: core.limits, now: core.loop.now, awaitsHandshake: transport.tls != nil)
        schedule()
    }

    var now: Moment { core.loop.now }

    // MARK: Events

    func ready(_ readiness: Readiness) {
        guard transport != nil else { return }
        if machine.wantsInput, !readiness.isDisjoint(with: [.input, .hangup]) {
            receive()
        } else if readiness.contains(.hangup) {
            perform(machine.close(reset: false))
        }
        turn()
    }

    /// A timer of this connection has come up.
    func expired(_ moment: Moment) {
        guard moment == timerMoment else { return }
        timerMoment = .never
        perform(machine.expire(now: now))
        turn()
    }

    func beginDrain() {
        perform(machine.drain())
        turn()
    }

    func closeNow() {
        if transport != nil { perform(machine.close(reset: true)) }
    }

    private func receive() {
        transport?.receive(core.scratch) { input in
            switch input {
            case .bytes(let bytes): perform(machine.receive(bytes))
            case .end: perform(machine.receiveEnd(now: now))
            case .broken: perform(machine.close(reset: false))
            case .tlsFailed: machine.abandon()
            case .established:
                clientCertificate = transport?.tls?.clientCertificate
                machine.handshakeEnded(now: now)
            case .plainHTTP:
                perform(
                    machine.refuse(
                        HTTPFailure(.plainOnTLS, "this port speaks HTTPS", rfc: "RFC 9110, 4.2.2")))
            }
        }
    }

    /// Does all that can be done now, sends what there is, and waits for what is missing.
    func turn() {
        isPostponed = false
        guard !isInTurn, transport != nil else { return }
        isInTurn = true
        answersInTurn = 0
        var hasGainedRoom = true
        while hasGainedRoom {
            advance()
            if awaitsStart { break }
            let wasBlocked = machine.outputPending >= core.limits.sizes.outputBytes
            flush()
            hasGainedRoom = wasBlocked && machine.outputPending < core.limits.sizes.outputBytes
        }
        boundBodies()
        isInTurn = false
        guard transport != nil, !awaitsStart else { return }
        updateInterest()
        schedule()
    }

    /// Does what is to be done with the bytes that are here.
    func advance() {
        while let action = machine.next(now: now) { perform(action) }
    }

    /// Keeps what all clients together have sent of unfinished bodies within its bound.
    private func boundBodies() {
        let collected = machine.collectedBytes
        guard collected != collectedBytes else { return }
        core.collectedBytes += collected - collectedBytes
        collectedBytes = collected
        guard core.collectedBytes > core.limits.sizes.collectedBytes, collected > 0 else { return }
        perform(
            machine.refuse(
                HTTPFailure(
                    .overloaded, "too many bodies are being received",
                    rfc: "RFC 9110, 15.6.4", fields: ["Retry-After": "5"])))
        boundBodies()
        flush()
    }

    /// Asks for a turn once the loop has seen to the other connections.
    func turnLater() {
        guard !isPostponed else { return }
        isPostponed = true
        core.continueLater(self)
    }

    private func flush() {
        guard let transport else { return }
        guard let sent = transport.flush() else {
            perform(machine.close(reset: false))
            return
        }
        perform(machine.sent(sent, pending: transport.pending, now: now))
        if transport.pending <= core.limits.sizes.outputBytes / 2 { resumeWaiters() }
    }

    private func updateInterest() {
        guard let transport else { return }
        var wanted: Readiness = []
        if machine.wantsInput { wanted.insert(.input) }
        if transport.pending > 0 { wanted.insert(.output) }
        guard wanted != interest else { return }
        interest = wanted
        core.loop.modify(transport.socket, token: token, interest: wanted)
    }

    /// Enters the deadline again after the timers were emptied.
    func reschedule() {
        timerMoment = .never
        schedule()
    }

    private func schedule() {
        let deadline = machine.deadline
        guard deadline < timerMoment else { return }
        timerMoment = deadline
        core.loop.timers.insert(deadline, token: token)
    }

    // MARK: Actions

    func perform(_ action: ConnectionMachine.Action?) {
        switch action {
        case nil: break
        case .route(let head): route(head)
        case .sendContinue: queue(ResponseEncoder.encodeContinue)
        case .handle(let body): startHandler(body)
        case .refuse(let failure): refuse(failure)
        case .cancelHandler: task?.cancel()
        case .endOutput: transport?.endOutput()
        case .close(let reset): close(reset: reset)
        }
    }

    func logAccess(isComplete: Bool) {
        guard let record = access else { return }
        access = nil
        core.log(record, peer: peer, isComplete: isComplete)
    }

    func queue(_ body: (inout [UInt8]) -> Void) {
        guard let transport else { return }
        let before = transport.pending
        transport.queue(body)
        access?.responseBytes += transport.pending - before
        machine.queued(pending: transport.pending)
    }

    func abandonHandler() {
        serial += 1
        awaitsStart = false
        task?.cancel()
        task = nil
        request = nil
        resumeWaiters(throwing: CancellationError())
    }

    private func close(reset: Bool) {
        guard let transport else { return }
        self.transport = nil
        if reset { transport.socket.resetOnClose() }
        core.loop.remove(transport.socket)
        core.collectedBytes -= collectedBytes
        collectedBytes = 0
        abandonHandler()
        logAccess(isComplete: false)
        core.closed(self)
    }

    private func resumeWaiters(throwing error: (any Error)? = nil) {
        guard !waiters.isEmpty else { return }
        let resumed = waiters
        waiters = []
        for waiter in resumed {
            if let error { waiter.resume(throwing: error) } else { waiter.resume() }
        }
    }
}
