/// The life of one connection as a value: bytes, replies and time go in, actions come out.
///
/// It owns no socket and reads no clock. One request is served at a time, so responses keep their
/// order; what a client pipelines waits in the parser.
///
/// ```
/// (handshake) → idle → head → routing → body → handling → responding → (skipping) → idle
///                   any refusal, close or drain → flushing → lingering → closed
/// ```
struct ConnectionMachine: Sendable {
    enum Phase: Equatable {
        /// TLS is being negotiated. `handshakeEnded` leads to `idle`.
        case handshake
        /// Between requests; no byte of the next has come. A byte leads to `head`.
        case idle
        /// A header section has begun. Its end leads to `routing`.
        case head
        /// A head is out. `admit` tells the route's bounds and leads to `body` or `handling`.
        case routing
        /// The body is being collected. Its end leads to `handling`.
        case body
        /// The handler runs. `respond` leads to `responding`.
        case handling
        /// The response's head is out. `responseEnded` leads to `idle`, `skipping` or `flushing`.
        case responding
        /// The rest of an unread body is dropped. Its end leads to `idle`.
        case skipping
        /// The last response is being sent. Its last byte leads to `lingering`.
        case flushing
        /// Our side has ended; the client's bytes are dropped so that it can read the response.
        case lingering
        case closed
    }

    enum Action: Equatable {
        /// Ask the handler for the bounds of this request, then call `admit`.
        case route(RequestHead)
        /// Send `100 Continue`.
        case sendContinue
        /// Start the handler with the whole body.
        case handle(body: [UInt8])
        /// Send this failure's response, the connection's last; a handler still running is over.
        case refuse(HTTPFailure)
        /// Cancel the handler; its response is still awaited.
        case cancelHandler
        /// End our side of the connection.
        case endOutput
        /// Close; with a reset if the client should not take the answer for whole.
        case close(reset: Bool)
    }

    /// What is known of the request being served.
    struct Exchange: Equatable {
        var isHead = false
        var isHTTP10 = false
        var keepsAlive = true
        /// The client waits for 100 and has not got it.
        var awaitsContinue = false
        /// Some of the request's body is still to come.
        var hasUnreadBody = false
        /// The body's length where the head told it.
        var announcedLength: Int?
        var body: [UInt8] = []
        var droppedBytes = 0
        var timeout = Interval(nanoseconds: 0)
    }

    let limits: SharedLimits
    var phase: Phase
    var parser: RequestParser
    var exchange = Exchange()
    var requestCount = 0
    var outputPending = 0
    var lingeredBytes = 0
    var inputEnded = false
    var isDraining = false

    var phaseDeadline: Moment
    var bodyDeadline = Moment.never
    var writeDeadline = Moment.never
    var halfCloseDeadline = Moment.never

    init(limits: SharedLimits, now: Moment, awaitsHandshake: Bool = false) {
        self.limits = limits
        parser = RequestParser(limits: limits)
        phase = awaitsHandshake ? .handshake : .idle
        phaseDeadline = now + (awaitsHandshake ? limits.handshake : limits.firstByte)
    }

    /// When `expire` must be called.
    var deadline: Moment { min(phaseDeadline, bodyDeadline, writeDeadline, halfCloseDeadline) }

    /// Whether bytes from the client are wanted now; otherwise the kernel holds them back.
    var wantsInput: Bool {
        guard !inputEnded else { return false }
        switch phase {
        case .idle, .head, .body, .skipping: return outputPending < limits.sizes.outputBytes
        case .routing, .handling, .responding:
            return parser.bufferedCount < limits.sizes.pipelineBytes
        case .handshake, .lingering: return true
        case .flushing, .closed: return false
        }
    }

    /// Bytes held of a body that is not complete.
    var collectedBytes: Int { phase == .body ? exchange.body.count : 0 }

    /// Whether no request is being served and none has begun.
    var isQuiet: Bool {
        phase == .handshake || (phase == .idle && !parser.hasPartialRequest)
    }

    mutating func enter(_ next: Phase, deadline: Moment = .never) {
        phase = next
        phaseDeadline = deadline
        bodyDeadline = .never
        halfCloseDeadline = .never
    }

    /// Notes that TLS is spoken from here on.
    mutating func handshakeEnded(now: Moment) {
        enter(.idle, deadline: now + limits.firstByte)
    }

    /// Ends the connection after what is queued, without a response.
    mutating func abandon() {
        enter(.flushing)
    }

    mutating func refuse(_ failure: HTTPFailure) -> Action {
        exchange.keepsAlive = false
        enter(.flushing)
        return .refuse(failure)
    }

    /// Ends the connection at once.
    mutating func close(reset: Bool) -> Action {
        enter(.closed)
        writeDeadline = .never
        return .close(reset: reset)
    }
}
