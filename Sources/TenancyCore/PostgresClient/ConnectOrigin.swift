internal import CLibPQ
internal import Descriptors
internal import Glibc

/// Whether somebody was at the other end of a socket when libpq last looked at it.
///
/// libpq keeps no code for why it gave up, and its words are in the language of the machine. A socket
/// tells the one thing that matters: with the peer still there it was libpq that broke off, and
/// without it the network.
enum ConnectPeer {
    /// No socket was ever waited for: libpq refused the parameters, or found no address or listener.
    case unknown
    case there, gone

    /// Looks at the socket that libpq is about to read from or write to.
    static func look(atSocket socket: Int32) -> ConnectPeer {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let isConnected = withUnsafeMutableBytes(of: &address) { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) {
                getpeername(socket, $0.baseAddress, &length) == 0
            }
        }
        guard isConnected else { return .gone }
        var byte: UInt8 = 0
        let flags = Int32(MSG_PEEK | MSG_DONTWAIT)
        let count = recv(socket, &byte, 1, flags)
        if count < 0 { return errno == EAGAIN || errno == EINTR ? .there : .gone }
        // An error without a code comes from a server that cannot start a process for us (manual,
        // "Message Flow", "SSL Session Encryption"); with a code it says more itself.
        return count == 0 || byte == UInt8(ascii: "E") ? .gone : .there
    }
}

extension PostgresConnection {
    /// Why libpq gave up on a connection.
    static func refusal(
        _ message: String, _ peer: ConnectPeer, hadSession: Bool, _ parameters: ConnectionParameters
    ) -> ConnectRefusal {
        let origin: ConnectRefusal.Origin =
            switch peer {
            case .gone: .network
            // A session that libpq gave up led to a server that `target_session_attrs` does not
            // want: a primary or standby is to come.
            case .there: hadSession ? .network : .client
            case .unknown: optionsProblem(of: parameters) == nil ? .network : .client
            }
        return ConnectRefusal(message, otherwise: origin)
    }

    /// Why libpq would refuse the parameters whatever the server is like, found out without asking
    /// any server.
    static func clientRefusal(
        of parameters: ConnectionParameters, on thread: ConnectionThread
    ) async -> ConnectRefusal? {
        await OptionsCheck(thread: thread).problem(of: parameters).map {
            ConnectRefusal(.client, $0)
        }
    }

    /// libpq's complaint about the parameters themselves.
    ///
    /// It makes it before it waits for any address. So they are tried with one that takes the call
    /// without any wait: a socket of our own, which nothing is sent to.
    fileprivate static func optionsProblem(of parameters: ConnectionParameters) -> String? {
        // The service's file may hold lists of hosts, which are not seen here.
        if parameters["service"] != nil { return nil }
        guard let listener = LoopbackListener() else { return nil }
        let hosts = parameters["host"] ?? parameters["hostaddr"] ?? ""
        let count = hosts.split(separator: ",", omittingEmptySubsequences: false).count
        let addresses = Array(repeating: "127.0.0.1", count: count).joined(separator: ",")
        let here = parameters.setting("hostaddr", to: addresses)
            .setting("port", to: String(listener.port))
        return withExtendedLifetime(listener) {
            guard let raw = begin(here) else { return nil }
            let handle = ConnectionHandle(owning: raw)
            return handle.status == CONNECTION_BAD ? handle.errorMessage : nil
        }
    }
}

/// A port of this machine that takes connections and never reads from them.
private final class LoopbackListener {
    let port: UInt16
    private let socket: OwnedDescriptor

    init?() {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let number = Glibc.socket(AF_INET, kind, 0)
        guard number >= 0 else { return nil }
        socket = OwnedDescriptor(owning: number)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listens = socket.withDescriptor { socket in
            withUnsafeMutableBytes(of: &address) { bytes in
                bytes.withMemoryRebound(to: sockaddr.self) { address in
                    bind(socket, address.baseAddress, length) == 0 && listen(socket, 1) == 0
                        && getsockname(socket, address.baseAddress, &length) == 0
                }
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        if !listens { return nil }
    }
}

/// Runs the check on a connection's thread: libpq may read a password file.
private actor OptionsCheck {
    private nonisolated let thread: ConnectionThread

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(thread: ConnectionThread) {
        self.thread = thread
    }

    func problem(of parameters: ConnectionParameters) -> String? {
        PostgresConnection.optionsProblem(of: parameters)
    }
}
