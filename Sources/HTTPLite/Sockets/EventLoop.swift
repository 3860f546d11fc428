internal import CSystem
internal import Descriptors
internal import Glibc
internal import Synchronization

/// What the loop works for; called on the loop's thread only.
protocol EventLoopClient: AnyObject {
    /// Whether the loop may end: nothing is open and no task is left that could need it.
    var isFinished: Bool { get }
    /// Whether something is to be done before the next wait.
    var hasPendingWork: Bool { get }
    func ready(_ token: UInt64, _ readiness: Readiness)
    func expired(_ entry: TimerQueue.Entry)
    /// Called once a turn, after the sockets' events.
    func startHandlers()
    /// Called once a turn, after events and timers.
    func finishTurn()
}

/// One thread that waits for sockets, keeps the timers and runs the handlers' tasks.
///
/// Tasks that prefer this executor stay on its thread over every suspension, so that a request
/// costs no hop between threads.
final class EventLoop: TaskExecutor, @unchecked Sendable {
    // Safety: `shared` is guarded by its mutex; `poller`, `timers`, `jobs`, `now` and `client` are
    // touched by the loop's thread alone, from `run` on, and by `init` before it exists.
    private struct Shared {
        var jobs: [UnownedJob] = []
        var calls: [@Sendable () -> Void] = []
        var isWoken = false
        var isClosed = false
    }

    private static let wakeToken = UInt64.max

    private let shared = Locked(Shared())
    private let thread = Atomic<UInt>(0)
    private let wakeDescriptor: OwnedDescriptor
    private var poller: EpollPoller
    private var jobs: [UnownedJob] = []
    private(set) var now = Moment.read()
    var timers = TimerQueue()

    init() throws(SocketError) {
        let poller = try EpollPoller()
        let number = csystem_eventfd()
        guard number >= 0 else { throw SocketError(.poll, "eventfd") }
        let wakeDescriptor = OwnedDescriptor(owning: number)
        try poller.add(wakeDescriptor, token: Self.wakeToken, interest: .input)
        self.poller = poller
        self.wakeDescriptor = wakeDescriptor
    }

    /// Whether the caller runs on the loop's thread.
    var isCurrent: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    // MARK: From any thread

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if isCurrent {
            jobs.append(job)
            return
        }
        let (isClosed, mustWake) = shared.withLock { shared in
            guard !shared.isClosed else { return (true, false) }
            shared.jobs.append(job)
            defer { shared.isWoken = true }
            return (false, !shared.isWoken)
        }
        if mustWake { wake() }
        // The loop ends when its tasks have; a job that comes later has nobody to disturb.
        if isClosed { job.runSynchronously(on: asUnownedTaskExecutor()) }
    }

    /// Runs a call on the loop's thread: now if that is the caller's, else soon.
    ///
    /// - Returns: false, with nothing run, when the loop has ended.
    @discardableResult
    func execute(_ call: @escaping @Sendable () -> Void) -> Bool {
        if isCurrent {
            call()
            return true
        }
        let (isOpen, mustWake) = shared.withLock { shared in
            guard !shared.isClosed else { return (false, false) }
            shared.calls.append(call)
            defer { shared.isWoken = true }
            return (true, !shared.isWoken)
        }
        if mustWake { wake() }
        return isOpen
    }

    /// Starts the loop on a thread of its own, which ends when `client` is finished.
    func start(_ client: any EventLoopClient & Sendable) throws(SocketError) {
        let code = Thread.start(name: "http") { self.run(client) }
        guard code == 0 else { throw SocketError(.thread, "http", code: code) }
    }

    private func wake() {
        var one: UInt64 = 1
        wakeDescriptor.withDescriptor { _ = write($0, &one, MemoryLayout<UInt64>.size) }
    }

    // MARK: On the loop's thread

    func add(_ socket: Socket, token: UInt64, interest: Readiness) throws(SocketError) {
        try poller.add(socket.descriptor, token: token, interest: interest)
    }

    func modify(_ socket: Socket, token: UInt64, interest: Readiness) {
        poller.modify(socket.descriptor, token: token, interest: interest)
    }

    func remove(_ socket: Socket) {
        poller.remove(socket.descriptor)
    }

    private func run(_ client: any EventLoopClient) {
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        repeat {
            let isBusy = !jobs.isEmpty || client.hasPendingWork
            let timeout = isBusy ? Interval(nanoseconds: 0) : timers.first.map { $0 - .read() }
            let count = poller.wait(timeout: timeout)
            now = .read()
            for index in 0..<count {
                let (token, readiness) = poller.event(index)
                if token == Self.wakeToken {
                    takeShared()
                } else {
                    client.ready(token, readiness)
                }
            }
            client.startHandlers()
            runJobs()
            while let entry = timers.popExpired(now: now) { client.expired(entry) }
            client.finishTurn()
        } while !mayEnd(client)
        thread.store(0, ordering: .relaxed)
    }

    private func takeShared() {
        var count: UInt64 = 0
        wakeDescriptor.withDescriptor { _ = read($0, &count, MemoryLayout<UInt64>.size) }
        let calls = shared.withLock { shared in
            shared.isWoken = false
            jobs += shared.jobs
            shared.jobs.removeAll(keepingCapacity: true)
            defer { shared.calls.removeAll() }
            return shared.calls
        }
        for call in calls { call() }
    }

    /// Runs the jobs that are there; those that they add wait for the next turn, after the sockets.
    private func runJobs() {
        guard !jobs.isEmpty else { return }
        var batch: [UnownedJob] = []
        swap(&batch, &jobs)
        for job in batch { job.runSynchronously(on: asUnownedTaskExecutor()) }
        // The storage goes back for the next turn unless new jobs have taken its place.
        batch.removeAll(keepingCapacity: true)
        if jobs.isEmpty { jobs = batch }
    }

    private func mayEnd(_ client: any EventLoopClient) -> Bool {
        guard client.isFinished, jobs.isEmpty else { return false }
        return shared.withLock { shared in
            guard shared.jobs.isEmpty, shared.calls.isEmpty else { return false }
            shared.isClosed = true
            return true
        }
    }
}
