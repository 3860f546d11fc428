@testable import HTTPLite

/// Drives a connection machine by hand, with a clock that only the test turns.
struct MachineScript {
    var machine: ConnectionMachine
    private(set) var now = Moment(nanoseconds: 0)
    /// Bytes that the client has not taken yet.
    private(set) var pending = 0

    init(awaitsHandshake: Bool = false, _ adjust: (inout Limits) -> Void = { _ in }) {
        var limits = Limits()
        adjust(&limits)
        machine = ConnectionMachine(
            limits: SharedLimits(limits), now: now, awaitsHandshake: awaitsHandshake)
    }

    /// Receives text and tells what the machine then wants, as short texts.
    mutating func receive(_ text: String, bounds: RouteBounds = RouteBounds()) -> [String] {
        let first = Array(text.utf8).withUnsafeBufferPointer { machine.receive($0) }
        return settle(first, bounds)
    }

    mutating func receiveEnd() -> [String] {
        settle(machine.receiveEnd(now: now))
    }

    /// Answers the running request; the client takes the response unless told otherwise.
    mutating func respond(
        _ status: HTTPStatus = .ok, length: Int? = 2, asksToClose: Bool = false, unsent: Int = 0
    ) -> [String] {
        let plan = machine.respond(
            status: status, length: length, asksToClose: asksToClose, now: now)
        machine.responseEnded(now: now)
        pending = unsent
        machine.queued(pending: unsent + 100)
        return ["sent\(plan.keepsAlive ? "" : " close")"] + settle(nil)
    }

    /// Lets the client take some of what is pending.
    mutating func take(_ count: Int) -> [String] {
        pending -= count
        return settle(machine.sent(count, pending: pending, now: now))
    }

    /// Lets time pass.
    mutating func wait(_ duration: Duration) -> [String] {
        now = now + Interval(duration)
        return settle(machine.expire(now: now))
    }

    mutating func drain() -> [String] {
        settle(machine.drain())
    }

    /// Asks for actions until there are none, as the shell does in each turn.
    private mutating func settle(
        _ first: ConnectionMachine.Action?, _ bounds: RouteBounds = RouteBounds()
    ) -> [String] {
        var told: [String] = []
        var action = first
        while true {
            while let current = action ?? machine.next(now: now) {
                told.append(Self.describe(current))
                action = nil
                if case .route = current { action = machine.admit(bounds, now: now) }
                if case .refuse = current { machine.queued(pending: pending + 100) }
            }
            guard let last = machine.sent(pending == 0 ? 100 : 0, pending: pending, now: now) else {
                return told
            }
            action = last
        }
    }

    private static func describe(_ action: ConnectionMachine.Action) -> String {
        switch action {
        case .route(let head): "route \(head.target.raw)"
        case .sendContinue: "continue"
        case .handle(let body): body.isEmpty ? "handle" : "handle \(body.count)"
        case .refuse(let failure): "refuse \(failure.status.code)"
        case .cancelHandler: "cancel"
        case .endOutput: "end"
        case .close(let reset): reset ? "reset" : "close"
        }
    }
}
