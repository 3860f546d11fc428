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
