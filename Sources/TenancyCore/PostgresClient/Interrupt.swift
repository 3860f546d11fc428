internal import CLibPQ
internal import CSystem
package import Descriptors
internal import Glibc

/// Wakes a connection's poll from another thread, when the task that waits is cancelled.
package final class Interrupt: Sendable {
    /// Readable while an interruption is asked for.
    package let descriptor: OwnedDescriptor

    package init() {
        let number = csystem_eventfd()
        precondition(number >= 0, "the system refuses an eventfd (errno \(errno))")
        descriptor = OwnedDescriptor(owning: number)
    }

    /// Ends the wait, or the next one.
    package func request() {
        var one: UInt64 = 1
        // A full counter is already readable, so the result does not matter.
        descriptor.withDescriptor { _ = write($0, &one, 8) }
    }

    /// Takes the request back.
    package func reset() {
        var count: UInt64 = 0
        descriptor.withDescriptor { _ = read($0, &count, 8) }
    }
}

/// A cancel request in flight, on a thread of its own: PQcancel opens a connection and has no bound.
struct CancelRequest {
    /// Asks the server behind `connection` to cancel what it runs.
    static func send(for connection: ConnectionHandle) {
        guard let cancel = connection.withRaw(PQgetCancel) else { return }
        let pointer = SendablePointer(cancel)
        runOnOwnThread {
            // PQcancel writes its error, which nobody waits for, into 256 bytes at most.
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
                _ = PQcancel(pointer.raw, buffer.baseAddress, 256)
            }
            PQfreeCancel(pointer.raw)
        }
    }

    // Safety: the pointer is handed to exactly one thread, which frees it.
    private struct SendablePointer: @unchecked Sendable {
        let raw: OpaquePointer
        init(_ raw: OpaquePointer) { self.raw = raw }
    }
}
