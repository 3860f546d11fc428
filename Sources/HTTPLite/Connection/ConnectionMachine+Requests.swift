extension ConnectionMachine {
    /// Takes bytes from the client; `next` says what they mean.
    mutating func receive(_ bytes: UnsafeBufferPointer<UInt8>) -> Action? {
        switch phase {
        case .lingering:
            lingeredBytes += bytes.count
            return lingeredBytes > limits.sizes.lingerBytes ? close(reset: false) : nil
        case .handshake, .flushing, .closed:
            return nil
        case .idle, .head, .routing, .body, .handling, .responding, .skipping:
            parser.receive(bytes)
            return nil
        }
    }

    /// Notes that the client has ended its side.
    mutating func receiveEnd(now: Moment) -> Action? {
        inputEnded = true
        switch phase {
        case .handling, .responding:
            // It may still read the answer, or have left: only time can tell.
            halfCloseDeadline = now + limits.halfClose
            return nil
        case .handshake, .lingering:
            return close(reset: false)
        case .idle, .head, .routing, .body, .skipping, .flushing, .closed:
            return nil
        }
    }

    /// The next thing to do, nil when the machine waits for bytes, the handler or time.
    mutating func next(now: Moment) -> Action? {
        switch phase {
        case .idle, .head: nextRequest(now: now)
        case .body: nextBody(now: now)
        case .skipping: skipBody(now: now)
        case .handshake, .routing, .handling, .responding, .flushing, .lingering, .closed: nil
        }
    }

    private mutating func nextRequest(now: Moment) -> Action? {
        // A client that does not read its answers is not asked for further requests.
        guard outputPending < limits.sizes.outputBytes else { return nil }
        switch parser.next() {
        case .head(let head):
            begin(head)
            return .route(head)
        case .failure(let failure):
            return refuse(failure)
        case nil:
            if inputEnded {
                enter(.flushing)
            } else if phase == .idle, parser.hasPartialRequest {
                enter(.head, deadline: now + limits.head)
            }
            return nil
        case .body, .end:
            preconditionFailure("the parser yields a head first")
        }
    }

    private mutating func begin(_ head: RequestHead) {
        requestCount += 1
        exchange = Exchange()
        exchange.isHead = head.method == .head
        exchange.isHTTP10 = head.isHTTP10
        exchange.keepsAlive = head.keepsAlive
        switch head.framing {
        case .none, .length(0):
            let end = parser.next()
            assert(end == .end, "a request without body ends with its head")
        case .length(let length):
            exchange.announcedLength = length
            exchange.hasUnreadBody = true
        case .chunked:
            exchange.hasUnreadBody = true
        }
        exchange.awaitsContinue = head.expectsContinue && exchange.hasUnreadBody
        enter(.routing)
    }

    /// Lets the routed request continue within its route's bounds.
    mutating func admit(_ bounds: RouteBounds, now: Moment) -> Action? {
        precondition(phase == .routing, "bounds are set once a request")
        switch bounds.timeout {
        case .standard: exchange.timeout = limits.handler
        case .after(let duration): exchange.timeout = Interval(duration)
        }
        guard exchange.hasUnreadBody, case .collect(let routeLimit) = bounds.body else {
            return startHandler(now: now)
        }
        let limit = routeLimit ?? limits.sizes.bodyBytes
        guard exchange.announcedLength ?? 0 <= limit else {
            return refuse(
                HTTPFailure(
                    .bodyTooLarge, "the body is longer than \(limit) bytes",
                    rfc: "RFC 9110, 15.5.14"))
        }
        parser.bodyLimit = limit
        enter(.body, deadline: now + limits.bodyIdle)
        bodyDeadline = now + limits.body
        // RFC 9110, 10.1.1: 100 may be left out once some of the body has come.
        let sendsContinue = exchange.awaitsContinue && parser.bufferedCount == 0
        exchange.awaitsContinue = false
        return sendsContinue ? .sendContinue : nil
    }

    private mutating func nextBody(now: Moment) -> Action? {
        while true {
            switch parser.next() {
            case .body(let bytes):
                // The first piece is mostly the whole: it is taken over, not copied.
                if exchange.body.isEmpty {
                    exchange.body = bytes
                } else {
                    exchange.body += bytes
                }
                phaseDeadline = now + limits.bodyIdle
            case .end:
                exchange.hasUnreadBody = false
                return startHandler(now: now)
            case .failure(let failure):
                return refuse(failure)
            case nil where inputEnded:
                return refuse(
                    HTTPFailure(
                        .incompleteBody, "the connection ended inside the body", rfc: "RFC 9112, 8")
                )
            case nil:
                return nil
            case .head:
                preconditionFailure("a body ends before the next head")
            }
        }
    }

    private mutating func startHandler(now: Moment) -> Action {
        enter(.handling, deadline: now + exchange.timeout)
        if inputEnded { halfCloseDeadline = now + limits.halfClose }
        let body = exchange.body
        exchange.body = []
        return .handle(body: body)
    }

    private mutating func skipBody(now: Moment) -> Action? {
        while phase == .skipping {
            switch parser.next() {
            case .body(let bytes):
                exchange.droppedBytes += bytes.count
                phaseDeadline = now + limits.bodyIdle
                if exchange.droppedBytes > limits.sizes.unreadBodyBytes { enter(.flushing) }
            case .end:
                finishExchange(now: now)
                return next(now: now)
            case .failure:
                // The response is out; a second one would answer nothing.
                enter(.flushing)
            case nil:
                if inputEnded { enter(.flushing) }
                return nil
            case .head:
                preconditionFailure("a body ends before the next head")
            }
        }
        return nil
    }
}
