internal import Glibc
internal import Synchronization

/// The one place where this program closes descriptors.
package enum DescriptorClosing {
    /// How often a number was closed that was not open: each is a descriptor closed twice, and the
    /// second time may hit one that another thread has just opened. Tests expect 0.
    package static var misses: Int { counter.load(ordering: .relaxed) }

    private static let counter = Atomic<Int>(0)

    /// Closes `number`, which must be open and nobody else's.
    package static func close(_ number: Int32) {
        // Linux gives the number up even where it answers EINTR (close(2)): never tried again.
        if Glibc.close(number) != 0, errno == EBADF {
            counter.add(1, ordering: .relaxed)
        }
    }
}
