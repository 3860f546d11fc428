internal import CSystem
internal import Glibc

/// A socket descriptor, closed exactly once when its last owner lets go.
final class Socket: Sendable {
    enum Transfer {
        case bytes(Int)
        /// The peer has ended its side.
        case end
        case wouldBlock
        /// The connection is broken; which way does not matter to anybody.
        case failed
    }

    let descriptor: Int32

    init(owning descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit { Glibc.close(descriptor) }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        while true {
            // A write to a peer that has left must be an error, not a signal.
            let count = send(
                descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if count >= 0 { return .bytes(count) }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed
        }
    }

    func endOutput() {
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Makes the coming close send a reset instead of an orderly end.
    func resetOnClose() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &linger,
            socklen_t(MemoryLayout.size(ofValue: linger)))
    }

    /// Sends each write at once; fails harmlessly on a Unix socket.
    func disableNagle() {
        set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    @discardableResult
    func set(_ level: Int32, _ option: Int32, _ value: Int32) -> Bool {
        var value = value
        return setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
            == 0
    }
}
