internal import Glibc
internal import Synchronization

/// Where a connection is to break: after a number of bytes in one direction.
public struct Cut: Sendable, CustomStringConvertible {
    public enum Direction: Sendable, CaseIterable {
        /// From the client to the server: what was sent may not have arrived.
        case request
        /// From the server to the client: what was done may not be known.
        case answer
    }

    public let bytes: Int
    public let direction: Direction

    public init(after bytes: Int, direction: Direction) {
        self.bytes = bytes
        self.direction = direction
    }

    public var description: String { "\(direction) after \(bytes) bytes" }
}

/// A port that leads to a server on 127.0.0.1, and breaks the connection where it is told to, once.
///
/// The bytes are counted over all connections from the moment of `cut`.
public final class CuttingProxy: Sendable {
    private struct State {
        var cut: Cut?
        var passed = 0
        var didCut = false
        var isStopped = false
        var isBlocked = false
        /// Connections that are open, by the client's socket.
        var pairs: [Int32: Pair] = [:]
    }

    public let port: Int
    private let listener: Int32
    private let server: Int
    private let state = Mutex(State())

    /// The system refused a socket.
    public struct Failure: Error {
        let code: Int32
    }

    public static func start(to server: Int) throws(Failure) -> CuttingProxy {
        let listener = try check(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        var address = loopback(0)
        try check(withSocketAddress(&address) { bind(listener, $0, $1) })
        try check(listen(listener, 64))
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try check(
            withSocketAddress(&address) { address, _ in
                getsockname(listener, address, &length)
            })
        let proxy = CuttingProxy(
            port: Int(UInt16(bigEndian: address.sin_port)), listener: listener, server: server)
        onThread { proxy.accept() }
        return proxy
    }

    private init(port: Int, listener: Int32, server: Int) {
        self.port = port
        self.listener = listener
        self.server = server
    }

    /// Breaks the next connection that comes so far; forgets an earlier order.
    public func cut(_ cut: Cut) {
        state.withLock { state in
            state.cut = cut
            state.passed = 0
            state.didCut = false
        }
    }

    /// Whether the connection was broken since the order was given.
    public var didCut: Bool { state.withLock { $0.didCut } }

    /// Breaks every connection and every new one until `unblock`, as when the server is unavailable.
    public func block() {
        let pairs = state.withLock { state in
            state.isBlocked = true
            return state.pairs.values.map { $0 }
        }
        for pair in pairs { pair.shutDown() }
    }

    /// Lets connections through again.
    public func unblock() {
        state.withLock { $0.isBlocked = false }
    }

    /// Accepts nothing more.
    public func stop() {
        state.withLock { $0.isStopped = true }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    // MARK: - On threads of their own

    private func accept() {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            if client < 0 || state.withLock({ $0.isStopped }) { break }
            if state.withLock({ $0.isBlocked }) {
                close(client)
                continue
            }
            let upstream = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = CuttingProxy.loopback(UInt16(server))
            let status = CuttingProxy.withSocketAddress(&address) { connect(upstream, $0, $1) }
            guard status == 0 else {
                close(client)
                close(upstream)
                continue
            }
            // Each direction ends the other by shutting both sockets down; the last one closes them.
            let pair = Pair(client: client, upstream: upstream)
            let isBlocked = state.withLock { state in
                state.pairs[client] = pair
                return state.isBlocked
            }
            if isBlocked { pair.shutDown() }
            CuttingProxy.onThread { self.carry(from: client, to: upstream, .request, of: pair) }
            CuttingProxy.onThread { self.carry(from: upstream, to: client, .answer, of: pair) }
        }
        close(listener)
    }

    /// Closes both sockets when the second direction has ended.
    private final class Pair: Sendable {
        private let open = Mutex(2)
        let client: Int32
        private let upstream: Int32

        init(client: Int32, upstream: Int32) {
            self.client = client
            self.upstream = upstream
        }

        /// One direction has ended.
        func end(_ beforeClosing: () -> Void) {
            open.withLock { open in
                shutdown(client, Int32(SHUT_RDWR))
                shutdown(upstream, Int32(SHUT_RDWR))
                open -= 1
                if open == 0 {
                    // A socket that is closed may be somebody else's a moment later.
                    beforeClosing()
                    close(client)
                    close(upstream)
                }
            }
        }

        /// Ends both directions, unless they have ended.
        func shutDown() {
            open.withLock { open in
                if open == 0 { return }
                shutdown(client, Int32(SHUT_RDWR))
                shutdown(upstream, Int32(SHUT_RDWR))
            }
        }
    }

    private func carry(from: Int32, to: Int32, _ direction: Cut.Direction, of pair: Pair) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(from, &buffer, buffer.count)
            guard count > 0 else { break }
            let allowed = pass(count, direction)
            var sent = 0
            while sent < allowed {
                let written = buffer[sent..<allowed].withUnsafeBytes {
                    send(to, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if written <= 0 { break }
                sent += written
            }
            if sent < count { break }
        }
        pair.end { state.withLock { $0.pairs[pair.client] = nil } }
    }

    /// How many of the bytes go through.
    private func pass(_ count: Int, _ direction: Cut.Direction) -> Int {
        state.withLock { state in
            guard let cut = state.cut, cut.direction == direction, !state.didCut else {
                return count
            }
            state.passed += count
            if state.passed < cut.bytes { return count }
            state.didCut = true
            return count - (state.passed - cut.bytes)
        }
    }

    // MARK: - System calls

    @discardableResult
    private static func check(_ status: Int32) throws(Failure) -> Int32 {
        if status < 0 { throw Failure(code: errno) }
        return status
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func withSocketAddress(
        _ address: inout sockaddr_in,
        _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private static func onThread(_ body: @escaping @Sendable () -> Void) {
        final class Box: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Box(body)).toOpaque()
        pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body()
                return nil
            }, context)
        pthread_detach(thread)
    }
}
