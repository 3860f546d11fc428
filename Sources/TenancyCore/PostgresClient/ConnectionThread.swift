internal import Glibc
internal import Synchronization

/// One thread that is both the serial executor of a connection's actor and a task executor, so that
/// a worker that prefers it runs its whole loop beside its connection, without a hop, and libpq may
/// block without holding a thread of the cooperative pool.
///
/// The thread starts with the first job and ends after some idle seconds; a later job starts another.
/// So there is nothing to shut down, and an executor that is no longer used costs no thread.
package final class ConnectionThread: SerialExecutor, TaskExecutor, @unchecked Sendable {
    // Safety: `jobs` and `isRunning` are touched only with `mutex` held; `mutex` and `condition`
    // live at fixed addresses from init to deinit; `current` is atomic.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// Hardly ever more than one, so taking the first is cheap.
    private var jobs: [UnownedJob] = []
    private var isRunning = false
    private let current = Atomic<UInt>(0)

    /// Long enough to bridge the gaps of a busy fleet, short enough to give the stack back soon.
    private static let idleSeconds = 5

    package init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        // The thread holds a reference while it runs, so none is left here.
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        pthread_mutex_lock(mutex)
        jobs.append(job)
        let mustStart = !isRunning
        isRunning = true
        if !mustStart { pthread_cond_signal(condition) }
        pthread_mutex_unlock(mutex)
        if mustStart { start() }
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    package func asUnownedTaskExecutor() -> UnownedTaskExecutor {
        UnownedTaskExecutor(ordinary: self)
    }

    /// Lets the runtime see that code which runs here as a task may enter the actor without a hop.
    package func isIsolatingCurrentContext() -> Bool? {
        current.load(ordering: .relaxed) == UInt(pthread_self())
    }

    package func checkIsolated() {
        precondition(
            current.load(ordering: .relaxed) == UInt(pthread_self()),
            "this code must run on its connection's thread")
    }

    private func start() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<ConnectionThread>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
        precondition(status == 0, "the system refuses another thread (pthread_create: \(status))")
        pthread_detach(thread)
    }

    private func run() {
        current.store(UInt(pthread_self()), ordering: .relaxed)
        while let job = nextJob() {
            job.runSynchronously(
                isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
        }
    }

    /// Waits for a job; `nil` after the idle time, when the thread has to end.
    private func nextJob() -> UnownedJob? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        var until = timespec()
        clock_gettime(CLOCK_MONOTONIC, &until)
        until.tv_sec += ConnectionThread.idleSeconds
        while jobs.isEmpty {
            if pthread_cond_timedwait(condition, mutex, &until) == ETIMEDOUT, jobs.isEmpty {
                isRunning = false
                current.store(0, ordering: .relaxed)
                return nil
            }
        }
        return jobs.removeFirst()
    }
}

/// Runs `body` on a thread of its own, for C calls that block and cannot be bounded.
func runOnOwnThread(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let context = Unmanaged.passRetained(Box(body))
    let status = pthread_create(
        &thread, nil,
        { context in
            guard let context else { return nil }
            Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body()
            return nil
        }, context.toOpaque())
    guard status == 0 else {
        context.release()
        return
    }
    pthread_detach(thread)
}
