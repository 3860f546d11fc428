internal import CLibPQ
internal import Descriptors
internal import Glibc
internal import Support

/// How a wait for a socket ended.
enum WaitOutcome {
    case ready, interrupted, timedOut
}

/// Waits until the connection's socket shows one of `events`, `interrupt` is asked for, or the
/// deadline passes.
func waitFor(
    _ handle: ConnectionHandle, _ events: Int32, interrupt: Interrupt?, deadline: Deadline
) -> WaitOutcome {
    handle.withRaw { raw in
        // libpq closes a socket and opens another while it connects: asked for anew at each wait.
        let socket = PQsocket(raw)
        guard let interrupt else {
            return waitFor(socket, events, interrupt: -1, deadline: deadline)
        }
        return interrupt.descriptor.withDescriptor {
            waitFor(socket, events, interrupt: $0, deadline: deadline)
        }
    }
}

/// A negative `interrupt` is not looked at.
private func waitFor(
    _ socket: Int32, _ events: Int32, interrupt: Int32, deadline: Deadline
) -> WaitOutcome {
    var polled = [
        pollfd(fd: socket, events: Int16(events), revents: 0),
        pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0),
    ]
    // A connection that is gone has no socket, and poll would wait for nothing.
    if socket < 0 { return .ready }
    while true {
        let count = poll(&polled, 2, deadline.pollMilliseconds)
        if count < 0 && errno == EINTR { continue }
        if polled[0].revents != 0 { return .ready }
        if polled[1].revents != 0 { return .interrupted }
        if count <= 0 { return .timedOut }
    }
}

/// One message and its answers: flushes, waits, collects results, and cancels when told to.
struct Exchange: ~Copyable {
    private let handle: ConnectionHandle
    private let interrupt: Interrupt
    private var deadline: Deadline
    /// Whether the rows of COPY TO STDOUT are results; a migration has no use for them.
    private let keepsCopies: Bool
    private var copied: [[String?]] = []
    private var results: [StatementResult] = []
    private var error: PostgresError?
    /// Why the statement was cancelled, once it was; decides what is thrown in the end.
    private var stopped: PostgresError?
    private var isDrained = false

    /// Whether the connection can carry another message. Not after a cancel request, which may
    /// arrive late and would then hit the next statement.
    var isReusable: Bool { isDrained && stopped == nil && handle.status == CONNECTION_OK }

    init(
        handle: ConnectionHandle, interrupt: Interrupt, deadline: Deadline, keepsCopies: Bool
    ) {
        self.handle = handle
        self.interrupt = interrupt
        self.deadline = deadline
        self.keepsCopies = keepsCopies
    }

    mutating func run() -> Result<[StatementResult], PostgresError> {
        guard flush() else { return outcome() }
        while awaitResult() {
            guard let raw = handle.withRaw(PQgetResult) else {
                isDrained = true
                break
            }
            guard take(ResultHandle(owning: raw)) else { break }
        }
        return outcome()
    }

    private func outcome() -> Result<[StatementResult], PostgresError> {
        if handle.status != CONNECTION_OK {
            return .failure(stopped ?? .connectionLost(message: handle.errorMessage))
        }
        if case .server(let server)? = error, server.sqlState == SQLState.queryCanceled, let stopped
        {
            if stopped == .deadlinePassed { return .failure(stopped) }
            return .failure(.cancelled(completedStatements: server.completedStatements))
        }
        if let error { return .failure(error) }
        // A cancellation that came too late changed nothing: the work is done and counts.
        if !isDrained { return .failure(stopped ?? .connectionLost(message: handle.errorMessage)) }
        return .success(results)
    }

    private mutating func flush() -> Bool {
        while true {
            switch handle.withRaw(PQflush) {
            case 0: return true
            case 1:
                guard wait(for: POLLIN | POLLOUT) else { return false }
                guard handle.withRaw(PQconsumeInput) == 1 else { return false }
            default: return false
            }
        }
    }

    /// Waits until PQgetResult will not block.
    private mutating func awaitResult() -> Bool {
        while handle.withRaw(PQisBusy) == 1 {
            guard wait(for: POLLIN) else { return false }
            guard handle.withRaw(PQconsumeInput) == 1 else { return false }
        }
        return true
    }

    /// Waits for the socket; an interruption or the deadline turns into one cancel request, after
    /// which the server has `cancelPatience` to answer.
    private mutating func wait(for events: Int32) -> Bool {
        while true {
            let watched = stopped == nil ? interrupt : nil
            switch waitFor(handle, events, interrupt: watched, deadline: deadline) {
            case .ready: return true
            case .interrupted: stop(because: .cancelled(completedStatements: nil))
            case .timedOut:
                if stopped != nil { return false }
                stop(because: .deadlinePassed)
            }
        }
    }

    private mutating func stop(because reason: PostgresError) {
        stopped = reason
        deadline = .after(PostgresConnection.cancelPatience)
        CancelRequest.send(for: handle)
    }

    /// Keeps a result; false when the conversation cannot continue.
    private mutating func take(_ result: consuming ResultHandle) -> Bool {
        switch result.status {
        case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
            results.append(StatementResult(tag: result.commandTag, columns: [], rows: copied))
            copied = []
        case PGRES_TUPLES_OK:
            results.append(
                StatementResult(
                    tag: result.commandTag, columns: result.columns(), rows: result.rows()))
        case PGRES_COPY_IN:
            // There is no data to give; the server then fails the statement with this text.
            handle.withRaw { _ = PQputCopyEnd($0, "COPY FROM STDIN cannot run in a migration") }
        case PGRES_COPY_OUT:
            return takeCopyData()
        default:
            error = error ?? .server(result.serverError(after: results.count))
        }
        return true
    }

    /// Reads what COPY TO STDOUT sends.
    private mutating func takeCopyData() -> Bool {
        var buffer: UnsafeMutablePointer<CChar>?
        while true {
            let count = handle.withRaw { PQgetCopyData($0, &buffer, 1) }
            switch count {
            case 0:
                guard wait(for: POLLIN), handle.withRaw(PQconsumeInput) == 1 else { return false }
            case 1...:
                if keepsCopies {
                    let line = UnsafeRawBufferPointer(start: buffer, count: Int(count))
                    copied.append(CopyText.columns(of: line))
                }
                PQfreemem(buffer)
            // -1: all of it was read. -2: the result that follows says what is wrong.
            default: return true
            }
        }
    }
}
