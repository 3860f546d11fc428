internal import Glibc

/// A value behind a lock.
///
/// A pthread mutex and not `Synchronization.Mutex`: ThreadSanitizer follows the one and reports
/// every use of the other as a race, which would bury real ones.
final class Locked<Value>: @unchecked Sendable {
    // Safety: `value` is touched in `withLock` alone, which holds the mutex.
    private var value: Value
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    init(_ value: sending Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Calls `body`, which should be short, with the value for itself.
    func withLock<Result>(_ body: (inout Value) throws -> sending Result) rethrows -> sending Result
    {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
