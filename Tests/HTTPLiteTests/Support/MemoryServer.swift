@testable import HTTPLite

/// A server without sockets: one connection's machine with a router behind it.
struct MemoryServer {
    private let router: Router
    private var machine: ConnectionMachine
    private var encoder = ResponseEncoder(server: nil)
    private var request: HTTPRequest?
    /// What the client has received.
    private(set) var output: [UInt8] = []
    /// Whether the server has ended its side.
    private(set) var hasEnded = false

    init(router: Router) {
        self.router = router
        machine = ConnectionMachine(limits: SharedLimits(Limits()), now: Moment(nanoseconds: 0))
        encoder.setDate(secondsSince1970: 784_111_777)
    }

    /// Sends bytes as the client would.
    mutating func send(_ bytes: [UInt8]) async {
        // The loop's buffer bounds what a machine sees at once.
        for start in stride(from: 0, to: bytes.count, by: 65_536) {
            let piece = bytes[start..<min(start + 65_536, bytes.count)]
            await run(piece.withUnsafeBufferPointer { machine.receive($0) })
        }
    }

    mutating func end() async {
        await run(machine.receiveEnd(now: .init(nanoseconds: 0)))
    }

    private mutating func run(_ first: ConnectionMachine.Action?) async {
        let now = Moment(nanoseconds: 0)
        var action = first
        while true {
            while let current = action ?? machine.next(now: now) {
                action = await perform(current)
            }
            guard let last = machine.sent(0, pending: 0, now: now) else { return }
            action = last
        }
    }

    private mutating func perform(
        _ action: ConnectionMachine.Action
    ) async -> ConnectionMachine.Action? {
        switch action {
        case .route(let head):
            let request = HTTPRequest(head: head, peer: "test", requestID: "r")
            self.request = request
            return machine.admit(router.bounds(for: request), now: .init(nanoseconds: 0))
        case .sendContinue:
            ResponseEncoder.encodeContinue(into: &output)
        case .handle(let body):
            await answer(body)
        case .refuse(let failure):
            let text = Array(failure.description.utf8)
            append(
                HTTPResponse(status: failure.status, fields: failure.fields, body: .bytes(text)),
                machine.refusalPlan(length: text.count))
        case .endOutput, .close:
            hasEnded = true
        case .cancelHandler:
            break
        }
        return nil
    }

    private mutating func answer(_ body: [UInt8]) async {
        guard var request else { return }
        request.body = body
        var response: HTTPResponse
        do {
            response = try await router.handle(request)
        } catch let failure as HTTPFailure {
            response = HTTPResponse(status: failure.status, fields: failure.fields)
        } catch {
            response = HTTPResponse(status: .internalServerError)
        }
        var length = 0
        if case .bytes(let bytes) = response.body { length = bytes.count }
        let now = Moment(nanoseconds: 0)
        let plan = machine.respond(
            status: response.status, length: length, asksToClose: false, now: now)
        append(response, plan)
        machine.responseEnded(now: now)
    }

    private mutating func append(_ response: HTTPResponse, _ plan: ResponsePlan) {
        encoder.encodeHead(response, plan: plan, requestID: "r", into: &output)
        if plan.hasContent, case .bytes(let bytes) = response.body { output += bytes }
    }
}
