// What libFuzzer calls; run.sh compiles it together with the sources of HTTPLite.

/// One input: a byte of seed, then bytes of the wire.
///
/// The parser must give the same events whole, byte by byte and in seeded pieces; the machine must
/// survive any order of bytes, replies, ends and time, and come to rest after each.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>, _ size: Int) -> Int32 {
    guard size > 1 else { return 0 }
    let bytes = Array(UnsafeBufferPointer(start: data + 1, count: size - 1))
    var random = Random(seed: UInt64(data[0]))
    let whole = events(bytes) { bytes.count }
    precondition(events(bytes) { 1 } == whole, "byte by byte the events differ")
    precondition(events(bytes) { 1 + random.below(16) } == whole, "in pieces the events differ")
    var fuzzer = MachineFuzzer(bytes, random)
    fuzzer.run()
    return 0
}

/// Small bounds, so that short inputs reach all of them.
private let limits: SharedLimits = {
    var limits = Limits()
    limits.requestLineBytes = 100
    limits.headBytes = 300
    limits.fieldCount = 6
    limits.bodyBytes = 200
    limits.chunkLineBytes = 20
    limits.chunkExtensionBytes = 30
    limits.trailerBytes = 30
    limits.unreadBodyBytes = 50
    limits.pipelineBytes = 100
    limits.outputBytes = 500
    limits.lingerBytes = 100
    limits.requestsPerConnection = 5
    return SharedLimits(limits)
}()

private struct Random {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    }

    mutating func below(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }
}

/// The parser's events as texts, the pieces of a body joined.
private func events(_ bytes: [UInt8], _ pieceSize: () -> Int) -> [String] {
    var parser = RequestParser(limits: limits)
    var told: [String] = []
    var body: [UInt8] = []
    var start = 0
    while start < bytes.count {
        let end = min(bytes.count, start + pieceSize())
        bytes[start..<end].withUnsafeBufferPointer { parser.receive($0) }
        start = end
        while let event = parser.next() {
            if case .body(let piece) = event {
                body += piece
                continue
            }
            told.append("\(body)")
            body = []
            switch event {
            case .head(let head):
                told.append(
                    "\(head.method) \(head.target) \(head.fields.all) \(head.framing) "
                        + "\(head.isHTTP10) \(head.keepsAlive) \(head.expectsContinue)")
            default: told.append("\(event)")
            }
        }
    }
    return told + ["\(body)"]
}

/// Drives a machine as a shell with a moody handler, a moody client and a moody clock would.
private struct MachineFuzzer {
    private let bytes: [UInt8]
    private var random: Random
    private var machine: ConnectionMachine
    private var now = Moment(nanoseconds: 0)
    private var position = 0
    private var pending = 0
    private var actionCount = 0

    init(_ bytes: [UInt8], _ random: Random) {
        self.bytes = bytes
        self.random = random
        machine = ConnectionMachine(limits: limits, now: now)
    }

    mutating func run() {
        for _ in 0..<200 where machine.phase != .closed {
            switch random.below(10) {
            case 0...5 where position < bytes.count && machine.wantsInput: receive()
            case 6 where machine.wantsInput && random.below(6) == 0:
                settle(machine.receiveEnd(now: now))
            case 7:
                now = now + Interval(.milliseconds(random.below(20_000)))
                settle(machine.expire(now: now))
            case 8 where random.below(20) == 0: settle(machine.drain())
            default:
                if machine.phase == .handling { respond() }
                if machine.phase == .responding { machine.responseEnded(now: now) }
                settle(nil)
            }
        }
    }

    private mutating func receive() {
        let end = min(bytes.count, position + 1 + random.below(40))
        let piece = bytes[position..<end]
        position = end
        settle(piece.withUnsafeBufferPointer { machine.receive($0) })
    }

    private mutating func settle(_ first: ConnectionMachine.Action?) {
        var action = first
        while true {
            while let current = action ?? machine.next(now: now) {
                actionCount += 1
                precondition(actionCount < 100_000, "the machine does not come to rest")
                action = perform(current)
            }
            let sent = random.below(pending + 1)
            pending -= sent
            guard let last = machine.sent(sent, pending: pending, now: now) else { return }
            action = last
        }
    }

    private mutating func perform(
        _ action: ConnectionMachine.Action
    ) -> ConnectionMachine.Action? {
        switch action {
        case .route:
            let body: RouteBounds.Body =
                random.below(3) == 0
                ? .ignore : .collect(limit: random.below(2) == 0 ? 20 : nil)
            return machine.admit(RouteBounds(body: body), now: now)
        case .refuse: queue(50)
        case .handle:
            if random.below(3) > 0 { respond() }
            if machine.phase == .responding, random.below(3) > 0 {
                machine.responseEnded(now: now)
            }
        case .sendContinue, .cancelHandler, .endOutput, .close: break
        }
        return nil
    }

    private mutating func respond() {
        _ = machine.respond(
            status: random.below(4) == 0 ? .noContent : .ok,
            length: random.below(3) == 0 ? nil : 5, asksToClose: random.below(9) == 0, now: now)
        queue(100)
    }

    private mutating func queue(_ count: Int) {
        pending += count
        machine.queued(pending: pending)
    }
}
