internal import Glibc

/// Where a server listens.
public enum ListenerAddress: Sendable, Hashable, CustomStringConvertible {
    /// A host name or address; port 0 lets the system choose one.
    case tcp(host: String, port: UInt16)
    /// A Unix domain socket and its permissions, for example `0o660`.
    case unix(path: String, mode: UInt32)
    /// A listening socket inherited from a service manager; the server closes it at shutdown.
    case inherited(descriptor: Int32)

    /// The sockets that systemd has opened for this process (sd_listen_fds(3)).
    ///
    /// - Parameters:
    ///   - environment: the process's environment, with `LISTEN_PID` and `LISTEN_FDS`.
    ///   - processID: the process's own id; variables meant for another process are ignored.
    /// - Returns: their addresses, to be listened on.
    public static func activated(
        environment: [String: String], processID: Int32
    ) -> [ListenerAddress] {
        guard environment["LISTEN_PID"].flatMap({ Int32($0) }) == processID,
            let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }), (1...64).contains(count)
        else { return [] }
        return (3..<(3 + count)).map { .inherited(descriptor: $0) }
    }

    /// Whether nobody but this machine can reach it; a host name is taken to be open to all.
    public var isLocal: Bool {
        switch self {
        case .tcp(let host, _): Self.isLoopback(host)
        case .unix: true
        case .inherited(let descriptor): Self.isLocal(SocketAddress.ofSocket(descriptor))
        }
    }

    private static func isLocal(_ bound: SocketAddress) -> Bool {
        bound.family == AF_UNIX || isLoopback(bound.host)
    }

    private static func isLoopback(_ host: String) -> Bool {
        host == "::1" || host.hasPrefix("127.")
    }

    /// `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/x.sock` or `fd:3`.
    public var description: String {
        switch self {
        case .tcp(let host, let port):
            host.utf8.contains(ASCII.colon) ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path, _): "unix:\(path)"
        case .inherited(let descriptor): "fd:\(descriptor)"
        }
    }
}
