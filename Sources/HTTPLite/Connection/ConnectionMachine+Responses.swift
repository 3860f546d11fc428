extension ConnectionMachine {
    /// Decides how the handler's response goes out; call once while handling.
    ///
    /// The length is nil for a body that is written piece by piece.
    mutating func respond(
        status: HTTPStatus, length: Int?, asksToClose: Bool, now: Moment
    ) -> ResponsePlan {
        precondition(phase == .handling, "a request has one response")
        let framing: ResponsePlan.Framing =
            if status.forbidsContent {
                .none
            } else if let length {
                .length(length)
            } else {
                exchange.isHTTP10 ? .untilClose : .chunked
            }
        if asksToClose || mustClose || framing == .untilClose { exchange.keepsAlive = false }
        enter(.responding)
        if inputEnded { halfCloseDeadline = now + limits.halfClose }
        return ResponsePlan(
            framing: framing, hasContent: !exchange.isHead && !status.forbidsContent,
            isHTTP10: exchange.isHTTP10, keepsAlive: exchange.keepsAlive)
    }

    /// How the response to a refused request goes out.
    func refusalPlan(length: Int) -> ResponsePlan {
        ResponsePlan(
            framing: .length(length), hasContent: !exchange.isHead, isHTTP10: exchange.isHTTP10,
            keepsAlive: false)
    }

    private var mustClose: Bool {
        if isDraining || requestCount >= limits.sizes.requestsPerConnection { return true }
        if inputEnded, parser.bufferedCount == 0 { return true }
        // Without its 100 the client may send the body or not: what comes next is ambiguous.
        if exchange.awaitsContinue { return true }
        return exchange.hasUnreadBody
            && exchange.announcedLength ?? 0 > limits.sizes.unreadBodyBytes
    }

    /// Notes that the whole response is queued.
    mutating func responseEnded(now: Moment) {
        guard phase == .responding else { return }
        if !exchange.keepsAlive {
            enter(.flushing)
        } else if exchange.hasUnreadBody {
            parser.bodyLimit = limits.sizes.unreadBodyBytes
            enter(.skipping, deadline: now + limits.bodyIdle)
        } else {
            finishExchange(now: now)
        }
    }

    mutating func finishExchange(now: Moment) {
        exchange = Exchange()
        if isDraining {
            enter(.flushing)
        } else {
            enter(.idle, deadline: now + limits.idle)
        }
    }

    /// Notes how much is to be sent, after something was queued.
    mutating func queued(pending: Int) {
        outputPending = pending
    }

    /// Notes how much was sent and what is left; call at the end of every turn, also with nothing.
    mutating func sent(_ count: Int, pending: Int, now: Moment) -> Action? {
        if pending == 0 {
            writeDeadline = .never
        } else if count > 0 || writeDeadline == .never {
            writeDeadline = now + limits.write
        }
        // The pause between requests begins when the client has the whole answer.
        if phase == .idle, pending > 0 || outputPending > 0 {
            phaseDeadline = pending > 0 ? .never : now + limits.idle
        }
        outputPending = pending
        guard phase == .flushing, pending == 0 else { return nil }
        if inputEnded { return close(reset: false) }
        enter(.lingering, deadline: now + limits.linger)
        return .endOutput
    }

    /// Acts on a deadline that has passed; nil if none has.
    mutating func expire(now: Moment) -> Action? {
        guard now >= deadline else { return nil }
        if now >= writeDeadline { return close(reset: true) }
        if now >= halfCloseDeadline {
            halfCloseDeadline = .never
            return .cancelHandler
        }
        switch phase {
        case .head:
            return refuse(
                HTTPFailure(
                    .requestTimeout, "the header section took too long", rfc: "RFC 9110, 15.5.9"))
        case .body:
            return refuse(
                HTTPFailure(.requestTimeout, "the body took too long", rfc: "RFC 9110, 15.5.9"))
        case .handling:
            return refuse(
                HTTPFailure(
                    .handlerTimeout, "the answer took too long", rfc: "RFC 9110, 15.6.4"))
        case .skipping:
            enter(.flushing)
            return nil
        case .handshake, .idle, .routing, .responding, .flushing, .lingering, .closed:
            return close(reset: false)
        }
    }

    /// Begins the end: the answer being made says close, a quiet connection ends now.
    mutating func drain() -> Action? {
        isDraining = true
        guard isQuiet else { return nil }
        if outputPending == 0 { return close(reset: false) }
        enter(.flushing)
        return nil
    }
}
