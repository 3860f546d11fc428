/// From a request to its response: the handler's task and what it answers.
extension Connection {
    func route(_ head: RequestHead) {
        let request = HTTPRequest(
            head: head, peer: peer, clientCertificate: clientCertificate,
            requestID: RequestIDs.given(in: head.fields) ?? core.configuration.makeRequestID())
        self.request = request
        access = AccessRecord(head: head, requestID: request.requestID, start: core.clock())
        perform(machine.admit(core.handler.bounds(for: request), now: now))
    }

    func startHandler(_ body: [UInt8]) {
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
        awaitsStart = true
        core.start(HandlerStart(connection: self, request: request, serial: serial))
    }

    /// Keeps the task of a handler that has suspended, so that it can be cancelled.
    func keep(_ task: Task<Void, Never>, serial: UInt64) {
        if serial == self.serial, machine.isServing { self.task = task } else { task.cancel() }
        turn()
    }

    func serve(_ request: HTTPRequest, _ serial: UInt64) async {
        // Else the client has left before its turn came.
        guard serial == self.serial else { return }
        awaitsStart = false
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
            try await write(HTTPBodyWriter(sink: self, serial: serial))
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
        var length = 0
        if plan.hasContent, case .bytes(let body) = response.body { length = body.count }
        queue { bytes in
            // Otherwise the storage would grow by many small steps.
            if bytes.isEmpty { bytes.reserveCapacity(ResponseEncoder.usualHead + length) }
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
        answersInTurn += 1
        // What the client has pipelined is begun at once, so that the answers go out together; but
        // one client's pipeline must not hold up the others.
        if answersInTurn < 64 { advance() }
        turnLater()
    }

    func refuse(_ failure: HTTPFailure) {
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

    private var loop: EventLoop { core.loop }
}

extension Connection: BodySink {
    func write(_ bytes: [UInt8], serial: UInt64) async throws {
        var rest = bytes
        if loop.isCurrent {
            guard appendPiece(bytes, serial: serial) else { throw CancellationError() }
            if hasRoom { return }
            rest = []
        }
        try await withCheckedThrowingContinuation { continuation in
            let piece = rest
            let isOpen = loop.execute {
                self.write(piece, serial: serial, waiter: continuation)
            }
            if !isOpen { continuation.resume(throwing: CancellationError()) }
        }
    }

    func untilDrain() async throws { try await core.drainSignal.wait() }
}

extension ConnectionMachine {
    /// Whether a handler's task belongs to the connection.
    var isServing: Bool { phase == .handling || phase == .responding }
}
