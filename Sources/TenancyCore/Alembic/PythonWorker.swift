internal import ChildProcesses
internal import Descriptors
internal import Glibc
internal import PostgresClient
internal import Support

/// A process of Python that runs Alembic's steps, one at a time, for as long as it lives.
///
/// It answers each request with lines of JSON: any number of `progress`, then `done` or `failed`. A
/// worker that dies, says nothing for too long, or is not wanted any more is killed with everything
/// that it has started; its connection breaks, and PostgreSQL rolls back.
actor PythonWorker {
    /// How a request can end other than by an answer.
    enum Failure: Error, Equatable {
        case notStarted(SystemError)
        /// The process has ended or broken the protocol; `errorTail` is what it said last.
        case died(errorTail: String)
        /// It said nothing for as long as it may.
        case silent(errorTail: String)
        case cancelled
    }

    /// How long the worker may be without a word.
    struct Timeouts {
        /// Until its first statement: it loads the project meanwhile.
        var beginning: Duration
        /// From then on.
        var statement: Duration
    }

    private static let lineLimit = 4 << 20
    private static let errorLimit = 4_000

    private nonisolated let thread = ConnectionThread()
    private nonisolated let interrupt = Interrupt()
    private let child: ChildProcess
    private let input: OwnedDescriptor
    private let output: OwnedDescriptor
    private let errors: OwnedDescriptor
    private var isAlive = true
    private var buffer: [UInt8] = []
    private var errorTail: [UInt8] = []
    private var isTailCut = false
    /// What the request under way has committed so far, as the worker has said.
    private(set) var committed: [String] = []
    /// Counts the requests; each answer repeats the number of its own.
    private var requestID = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(python: String, user: SystemUser? = nil, directory: String) throws(Failure) {
        do throws(SystemError) {
            var files = ChildFiles()
            input = try files.addPipeToChild()
            output = try files.addPipeFromChild()
            errors = try files.addPipeFromChild()
            for program in [PythonPrograms.bootstrap, PythonPrograms.bundle(.worker)] {
                try files.add(MemoryFile(program).descriptor)
            }
            child = try ChildProcess.spawn(
                ChildProcess.Launch(
                    command: PythonPrograms.command(python, as: user),
                    environment: PythonPrograms.environment(as: user), directory: directory),
                files)
        } catch {
            throw .notStarted(error)
        }
    }

    deinit {
        if isAlive { child.kill() }
    }

    /// The worker's first line: it is ready, or why it cannot be.
    func greeting(within limit: Duration) async throws(Failure) -> JSONValue {
        try await interruptibly { worker in
            worker.nextLine(until: .after(limit))
        }
    }

    /// Sends a request and waits for its last answer. `report` hears, on the worker's thread, what the
    /// request has committed so far, whenever that is more.
    func perform(
        _ request: JSONObject, _ timeouts: Timeouts,
        report: @escaping @Sendable ([String]) -> Void = { _ in }
    ) async throws(Failure) -> JSONValue {
        committed = []
        requestID += 1
        var numbered = request
        numbered["id"] = JSONValue(requestID)
        let line = JSONValue.object(numbered)
        return try await interruptibly { worker in
            worker.send(line, until: .after(timeouts.beginning))
                ?? worker.answer(timeouts, report)
        }
    }

    /// Whether the worker waits for a request and has said nothing that nobody asked for; else it is
    /// ended. What it has remarked until now is forgotten: it was about another tenant.
    func isReadyForNext() -> Bool {
        guard isAlive else { return false }
        // A thread of the project may write without end.
        for _ in 0..<64 where !readAvailable(errors).isEmpty {}
        errorTail = []
        isTailCut = false
        if buffer.isEmpty, hasSaidNothing { return true }
        kill()
        return false
    }

    private var hasSaidNothing: Bool {
        output.withDescriptor { number in
            var polled = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            return poll(&polled, 1, 0) == 0
        }
    }

    /// Whether the process can take another request.
    var isUsable: Bool { isAlive }

    func kill() {
        guard isAlive else { return }
        isAlive = false
        child.kill()
    }

    // MARK: - On the worker's thread

    private func interruptibly(
        _ body: @Sendable (isolated PythonWorker) -> Result<JSONValue, Failure>
    ) async throws(Failure) -> JSONValue {
        interrupt.reset()
        if Task.isCancelled { throw .cancelled }
        let result = await withTaskCancellationHandler {
            body(self)
        } onCancel: {
            interrupt.request()
        }
        if case .failure = result { kill() }
        return try result.get()
    }

    private func answer(
        _ timeouts: Timeouts, _ report: ([String]) -> Void
    ) -> Result<JSONValue, Failure> {
        var limit = timeouts.beginning
        while true {
            let line = nextLine(until: .after(limit))
            guard case .success(let answer) = line else { return line }
            // Written by the project, or by a child of its, into the pipe of the answers.
            guard answer["id"] == JSONValue(requestID) else {
                return .failure(.died(errorTail: lastErrors()))
            }
            guard answer["event"]?.stringValue == "progress" else { return line }
            if let said = answer["committed"] {
                committed = ExportDocument.strings(said)
                report(committed)
            }
            limit = timeouts.statement
        }
    }

    private func send(_ request: JSONValue, until deadline: Deadline) -> Result<JSONValue, Failure>?
    {
        var rest = (request.rendered() + [UInt8(ascii: "\n")])[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { bytes in
                input.withDescriptor { write($0, bytes.baseAddress, bytes.count) }
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                if let failure = wait(input, POLLOUT, deadline) { return .failure(failure) }
            } else if errno != EINTR {
                return .failure(.died(errorTail: lastErrors()))
            }
        }
        return nil
    }

    private func nextLine(until deadline: Deadline) -> Result<JSONValue, Failure> {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(buffer[..<end])
                buffer.removeSubrange(...end)
                guard let answer = try? JSONValue.parse(line) else {
                    return .failure(.died(errorTail: lastErrors()))
                }
                return .success(answer)
            }
            if let failure = wait(output, POLLIN, deadline) { return .failure(failure) }
            let chunk = readAvailable(output)
            if chunk.isEmpty || buffer.count + chunk.count > Self.lineLimit {
                return .failure(.died(errorTail: lastErrors()))
            }
            buffer += chunk
        }
    }

    /// Waits for a descriptor, and takes in meanwhile what the worker remarks: a full pipe would hold
    /// it up.
    private func wait(
        _ descriptor: borrowing OwnedDescriptor, _ events: Int32, _ deadline: Deadline
    ) -> Failure? {
        descriptor.withDescriptor { awaited in
            errors.withDescriptor { errors in
                interrupt.descriptor.withDescriptor { interrupt in
                    wait(
                        [
                            pollfd(fd: awaited, events: Int16(events), revents: 0),
                            pollfd(fd: errors, events: Int16(POLLIN), revents: 0),
                            pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0),
                        ], deadline)
                }
            }
        }
    }

    private func wait(_ descriptors: [pollfd], _ deadline: Deadline) -> Failure? {
        var polled = descriptors
        while true {
            let count = poll(&polled, nfds_t(polled.count), deadline.pollMilliseconds)
            if count < 0 && errno == EINTR { continue }
            if polled[2].revents != 0 { return .cancelled }
            if polled[1].revents != 0 {
                let remarks = readAvailable(errors)
                // Closed by the project: nothing more is to come, and poll would never rest.
                if remarks.isEmpty { polled[1].fd = -1 }
                remember(remarks)
            }
            if polled[0].revents != 0 { return nil }
            if count <= 0 { return .silent(errorTail: lastErrors()) }
        }
    }

    private func readAvailable(_ descriptor: borrowing OwnedDescriptor) -> [UInt8] {
        descriptor.withDescriptor { number in
            [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, filled in
                filled = max(0, read(number, buffer.baseAddress, buffer.count))
            }
        }
    }

    private func lastErrors() -> String {
        remember(readAvailable(errors))
        return scrub(FileTail.lines(errorTail, isCut: isTailCut))
    }

    private func remember(_ remarks: [UInt8]) {
        let all = errorTail + remarks
        isTailCut = isTailCut || all.count > Self.errorLimit
        errorTail = Array(all.suffix(Self.errorLimit))
    }
}
