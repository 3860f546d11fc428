/// One connection: performs what its machine decides, on a socket and with a handler's task.
final class Connection: @unchecked Sendable {
    // Safety: every property is touched by the event loop's thread alone; handlers' tasks run on
    // it, and the body writer enters through `EventLoop.execute`.
    let token: UInt64
    let peer: String
    let isLocal: Bool
    private let core: ServerCore
    /// Nil once the connection is closed.
    private var transport: Transport?

    private var machine: ConnectionMachine
    private var interest: Readiness = .input
    private var isInTurn = false
    private var isPostponed = false
    /// This connection's part of the bodies being collected.
    private var collectedBytes = 0
    /// The deadline whose timer counts; others of this token are stale.
    private var timerMoment = Moment.never

    private var clientCertificate: ClientCertificate?
    private var request: HTTPRequest?
    private var task: Task<Void, Never>?
    /// Counts handlers, so that the answer of one that was given up is known as late.
    private var serial: UInt64 = 0
    private var plan: ResponsePlan?
    private var access: AccessRecord?
    private var waiters: [CheckedContinuation<Void, any Error>] = []

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

    private var now: Moment { core.loop.now }

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
        // One client's pipeline must not hold up the others.
        var budget = 64
        var hasGainedRoom = true
        while hasGainedRoom {
            while budget > 0, let action = machine.next(now: now) {
                budget -= 1
                perform(action)
            }
            let wasBlocked = machine.outputPending >= core.limits.sizes.outputBytes
            flush()
            hasGainedRoom = wasBlocked && machine.outputPending < core.limits.sizes.outputBytes
        }
        boundBodies()
        isInTurn = false
        guard transport != nil else { return }
        if budget == 0 { turnLater() }
        updateInterest()
        schedule()
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
    private func turnLater() {
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
        core.loop.modify(transport.socket.descriptor, token: token, interest: wanted)
    }

    private func schedule() {
        let deadline = machine.deadline
        guard deadline < timerMoment else { return }
        timerMoment = deadline
        core.loop.timers.insert(deadline, token: token)
    }

    // MARK: Actions

    private func perform(_ action: ConnectionMachine.Action?) {
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

    private func route(_ head: RequestHead) {
        let request = HTTPRequest(
            head: head, peer: peer, clientCertificate: clientCertificate,
            requestID: RequestIDs.given(in: head.fields) ?? core.configuration.makeRequestID())
        self.request = request
        access = AccessRecord(head: head, requestID: request.requestID, start: core.clock())
        perform(machine.admit(core.handler.bounds(for: request), now: now))
    }

    private func startHandler(_ body: [UInt8]) {
        guard var request else { return }
        guard core.liveHandlers < core.limits.sizes.handlers else {
            perform(
                machine.refuse(
                    HTTPFailure(
                        .overloaded, "too many requests are being served",
                        rfc: "RFC 9110, 15.6.4", fields: ["Retry-After": "1"])))
            return
        }
        request.body = body
        self.request = nil
        serial += 1
        let serial = serial
        core.liveHandlers += 1
        // Starts on this thread at once: a handler that never suspends costs no job at all.
        let task = Task.immediate(executorPreference: core.loop) { [self] in
            await serve(request, serial)
            core.liveHandlers -= 1
        }
        if serial == self.serial, machine.isServing { self.task = task }
    }

    private func serve(_ request: HTTPRequest, _ serial: UInt64) async {
        var response = await core.respond(to: request)
        if case .stream = response.body, core.liveStreams >= core.limits.sizes.streams {
            response = core.tooManyStreams(request)
        }
        // The client has left, or time ran out and 503 went out instead.
        guard serial == self.serial, machine.phase == .handling else { return }
        guard let write = begin(response, requestID: request.requestID) else {
            finishResponse()
            return
        }
        core.liveStreams += 1
        defer { core.liveStreams -= 1 }
        do {
            try await write(HTTPBodyWriter(connection: self, serial: serial))
            if serial == self.serial { endStream() }
        } catch {
            // The head is out: only a broken end tells the client that the body is not whole.
            if serial == self.serial { perform(machine.close(reset: true)) }
        }
    }

    /// Queues a response's head and a body that is at hand; the result writes the rest.
    private func begin(
        _ response: HTTPResponse, requestID: String
    ) -> (@Sendable (HTTPBodyWriter) async throws -> Void)? {
        let length: Int? =
            switch response.body {
            case .none: 0
            case .bytes(let bytes): bytes.count
            case .stream: nil
            }
        let plan = machine.respond(
            status: response.status, length: length,
            asksToClose: response.fields.contains("connection", token: "close"), now: now)
        self.plan = plan
        send(response, plan: plan, requestID: requestID)
        guard plan.hasContent, case .stream(let write) = response.body else { return nil }
        turn()
        return write
    }

    private func send(_ response: HTTPResponse, plan: ResponsePlan, requestID: String) {
        access?.status = response.status
        queue { bytes in
            core.encoder.encodeHead(response, plan: plan, requestID: requestID, into: &bytes)
            if plan.hasContent, case .bytes(let body) = response.body { bytes += body }
        }
    }

    private func endStream() {
        if plan?.framing == .chunked { queue(ResponseEncoder.encodeLastChunk) }
        finishResponse()
    }

    private func finishResponse() {
        task = nil
        logAccess(isComplete: true)
        machine.responseEnded(now: now)
        turn()
    }

    private func refuse(_ failure: HTTPFailure) {
        abandonHandler()
        let requestID = access?.requestID ?? core.configuration.makeRequestID()
        let response = core.configuration.renderFailure(failure, requestID)
        var length = 0
        if case .bytes(let bytes) = response.body { length = bytes.count }
        if access == nil {
            access = AccessRecord(head: nil, requestID: requestID, start: core.clock())
        }
        send(response, plan: machine.refusalPlan(length: length), requestID: requestID)
        logAccess(isComplete: true)
    }

    private func logAccess(isComplete: Bool) {
        guard let record = access else { return }
        access = nil
        core.log(record, peer: peer, isComplete: isComplete)
    }

    private func queue(_ body: (inout [UInt8]) -> Void) {
        guard let transport else { return }
        let before = transport.pending
        transport.queue(body)
        access?.responseBytes += transport.pending - before
        machine.queued(pending: transport.pending)
    }

    private func abandonHandler() {
        serial += 1
        task?.cancel()
        task = nil
        request = nil
        resumeWaiters(throwing: CancellationError())
    }

    private func close(reset: Bool) {
        guard let transport else { return }
        self.transport = nil
        if reset { transport.socket.resetOnClose() }
        core.loop.remove(transport.socket.descriptor)
        core.collectedBytes -= collectedBytes
        collectedBytes = 0
        abandonHandler()
        logAccess(isComplete: false)
        core.closed(self)
    }

    // MARK: Streams

    /// Queues a piece of a stream's body; resumes `waiter` when there is room for more.
    func write(_ bytes: [UInt8], serial: UInt64, waiter: CheckedContinuation<Void, any Error>) {
        guard appendPiece(bytes, serial: serial) else {
            waiter.resume(throwing: CancellationError())
            return
        }
        if hasRoom { waiter.resume() } else { waiters.append(waiter) }
    }

    /// Queues a piece; false when the response is over.
    func appendPiece(_ bytes: [UInt8], serial: UInt64) -> Bool {
        guard serial == self.serial, machine.phase == .responding, let plan else { return false }
        queue { output in
            if plan.framing == .chunked {
                ResponseEncoder.encodeChunk(bytes, into: &output)
            } else {
                output += bytes
            }
        }
        // What a handler writes before it suspends goes out together.
        turnLater()
        return true
    }

    var hasRoom: Bool { (transport?.pending ?? 0) < core.limits.sizes.outputBytes }

    var loop: EventLoop { core.loop }
    var drain: DrainSignal { core.drainSignal }

    private func resumeWaiters(throwing error: (any Error)? = nil) {
        guard !waiters.isEmpty else { return }
        let resumed = waiters
        waiters = []
        for waiter in resumed {
            if let error { waiter.resume(throwing: error) } else { waiter.resume() }
        }
    }
}

extension ConnectionMachine {
    /// Whether a handler's task belongs to the connection.
    var isServing: Bool { phase == .handling || phase == .responding }
}
