internal import CSystem
internal import Descriptors
internal import Glibc

/// A socket, closed exactly once when its last owner lets go.
final class Socket: Sendable {
    enum Transfer {
        case bytes(Int)
        /// The peer has ended its side.
        case end
        case wouldBlock
        /// The connection is broken; which way does not matter to anybody.
        case failed
    }

    let descriptor: OwnedDescriptor

    init(owning number: Int32) {
        descriptor = OwnedDescriptor(owning: number)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        while true {
            let count = descriptor.withDescriptor {
                recv($0, buffer.baseAddress, buffer.count, 0)
            }
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        while true {
            // A write to a peer that has left must be an error, not a signal.
            let count = descriptor.withDescriptor {
                send($0, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 { return .bytes(count) }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed
        }
    }

    func endOutput() {
        descriptor.withDescriptor { _ = shutdown($0, Int32(SHUT_WR)) }
    }

    func endBothSides() {
        descriptor.withDescriptor { _ = shutdown($0, Int32(SHUT_RDWR)) }
    }

    /// Blocks the calling thread until the socket is ready; false if it is not by then.
    func wait(for interest: Readiness, until end: ContinuousClock.Instant) -> Bool {
        var asked: Int16 = 0
        if interest.contains(.input) { asked |= Int16(POLLIN) }
        if interest.contains(.output) { asked |= Int16(POLLOUT) }
        while true {
            let left = end - .now
            guard left > .zero else { return false }
            let milliseconds =
                min(left.components.seconds, 3_600) * 1_000 + 1
                + left.components.attoseconds / 1_000_000_000_000_000
            let count = descriptor.withDescriptor { number in
                var entry = pollfd(fd: number, events: asked, revents: 0)
                return poll(&entry, 1, Int32(milliseconds))
            }
            if count > 0 { return true }
            if count < 0, errno != EINTR { return false }
        }
    }

    /// The error that a connection attempt ended with, 0 for none.
    func takeError() -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let result = descriptor.withDescriptor {
            getsockopt($0, SOL_SOCKET, SO_ERROR, &code, &length)
        }
        return result == 0 ? code : errno
    }

    /// Makes the coming close send a reset instead of an orderly end.
    func resetOnClose() {
        set(SOL_SOCKET, SO_LINGER, linger(l_onoff: 1, l_linger: 0))
    }

    /// Sends each write at once; fails harmlessly on a Unix socket.
    func disableNagle() {
        set(Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
    }

    @discardableResult
    func set<Value>(_ level: Int32, _ option: Int32, _ value: Value) -> Bool {
        withUnsafeBytes(of: value) { bytes in
            descriptor.withDescriptor {
                setsockopt($0, level, option, bytes.baseAddress, socklen_t(bytes.count)) == 0
            }
        }
    }
    /// Binds or connects (`call`) to an address.
    ///
    /// - Returns: what the call did, 0 for success; `errno` is its own.
    func call(
        _ call: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32, _ address: SocketAddress
    ) -> Int32 {
        descriptor.withDescriptor { number in
            address.withPointer { call(number, $0, $1) }
        }
    }
}
