internal import CSystem
internal import Descriptors
internal import Glibc

/// A listening socket.
struct Listener: Sendable {
    enum Accepted {
        case connection(Socket, peer: String, isLocal: Bool)
        case none
        /// No descriptor is left: accepting again at once would only spin.
        case exhausted
    }

    let socket: Socket
    /// The address with the port that the system chose.
    let address: ListenerAddress

    /// Binds and listens.
    ///
    /// A host name with several addresses gives a listener each, all with the same port; those
    /// that this machine does not have are left out as long as one remains.
    static func open(
        _ address: ListenerAddress, backlog: Int
    ) throws(SocketError) -> [Listener] {
        switch address {
        case .tcp(let host, let port):
            return try openTCP(address, host: host, port: port, backlog: backlog)
        case .unix(let path, let mode):
            return [try openUnix(address, path: path, mode: mode, backlog: backlog)]
        case .inherited(let descriptor):
            return [try openInherited(address, descriptor)]
        }
    }

    let isUnix: Bool

    func accept() -> Accepted {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        while true {
            let number = withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    socket.descriptor.withDescriptor { csystem_accept($0, address, &length) }
                }
            }
            if number >= 0 {
                let (peer, isLocal) = SocketAddress.peer(storage)
                return .connection(Socket(owning: number), peer: peer, isLocal: isLocal)
            }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted
            default: return .none
            }
        }
    }

    /// Takes a Unix socket's file away.
    func removeFile() {
        if case .unix(let path, _) = address { unlink(path) }
    }

    private static func openTCP(
        _ address: ListenerAddress, host: String, port: UInt16, backlog: Int
    ) throws(SocketError) -> [Listener] {
        var listeners: [Listener] = []
        var failure: SocketError?
        var port = port
        for var candidate in try SocketAddress.resolve(host: host, address: address) {
            candidate.port = port
            do throws(SocketError) {
                let listener = try openOne(candidate, address: address, backlog: backlog)
                if case .tcp(_, let bound) = listener.address { port = bound }
                listeners.append(listener)
            } catch {
                failure = failure ?? error
                if error.code != EADDRNOTAVAIL, error.code != EAFNOSUPPORT { throw error }
            }
        }
        if listeners.isEmpty, let failure { throw failure }
        return listeners
    }

    private static func openOne(
        _ candidate: SocketAddress, address: ListenerAddress, backlog: Int
    ) throws(SocketError) -> Listener {
        let socket = try makeSocket(candidate.family, address)
        // So that a restart need not wait for old connections; SO_REUSEPORT would let a second
        // daemon share the port unnoticed.
        socket.set(SOL_SOCKET, SO_REUSEADDR, Int32(1))
        if candidate.family == AF_INET6 { socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, Int32(0)) }
        guard socket.call(bind, candidate) == 0 else {
            throw SocketError(.bind, address.description)
        }
        try listen(socket, backlog, address)
        let bound = socket.descriptor.withDescriptor(SocketAddress.ofSocket)
        return Listener(
            socket: socket, address: .tcp(host: bound.host, port: bound.port), isUnix: false)
    }

    private static func openUnix(
        _ address: ListenerAddress, path: String, mode: UInt32, backlog: Int
    ) throws(SocketError) -> Listener {
        guard let target = SocketAddress(path: path) else {
            throw SocketError(.bind, address.description, code: ENAMETOOLONG)
        }
        let socket = try makeSocket(AF_UNIX, address)
        if socket.call(bind, target) != 0 {
            guard errno == EADDRINUSE, try isAbandoned(target, address) else {
                throw SocketError(.bind, address.description, code: EADDRINUSE)
            }
            unlink(path)
            guard socket.call(bind, target) == 0 else {
                throw SocketError(.bind, address.description)
            }
        }
        // Nobody can connect before listen, so the mode is in force for the first client.
        guard chmod(path, mode) == 0 else { throw SocketError(.configure, address.description) }
        try listen(socket, backlog, address)
        return Listener(socket: socket, address: address, isUnix: true)
    }

    /// Takes over a socket that listens already; its file, if it has one, is its maker's.
    private static func openInherited(
        _ address: ListenerAddress, _ descriptor: Int32
    ) throws(SocketError) -> Listener {
        var listens: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 else {
            throw SocketError(.configure, address.description)
        }
        let flags = fcntl(descriptor, F_GETFL)
        guard listens == 1, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0,
            fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
        else { throw SocketError(.configure, address.description, code: EINVAL) }
        let bound = SocketAddress.ofSocket(descriptor)
        let isUnix = bound.family == AF_UNIX
        return Listener(
            socket: Socket(owning: descriptor),
            address: isUnix ? address : .tcp(host: bound.host, port: bound.port), isUnix: isUnix)
    }

    /// Whether nobody serves a socket file: a daemon that was killed leaves its own behind.
    private static func isAbandoned(
        _ target: SocketAddress, _ address: ListenerAddress
    ) throws(SocketError) -> Bool {
        let probe = try makeSocket(AF_UNIX, address)
        return probe.call(connect, target) != 0 && errno == ECONNREFUSED
    }

    private static func makeSocket(
        _ family: Int32, _ address: ListenerAddress
    ) throws(SocketError) -> Socket {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let number = Glibc.socket(family, type, 0)
        guard number >= 0 else { throw SocketError(.create, address.description) }
        return Socket(owning: number)
    }

    private static func listen(
        _ socket: Socket, _ backlog: Int, _ address: ListenerAddress
    ) throws(SocketError) {
        let result = socket.descriptor.withDescriptor {
            Glibc.listen($0, Int32(clamping: backlog))
        }
        guard result == 0 else {
            throw SocketError(.listen, address.description)
        }
    }
}
