internal import DaemonConfiguration
internal import HTTPLite

/// Where the daemon listens: on the sockets that a service manager has opened for it, else where
/// the configuration says.
enum ServerListeners {
    static func choose(
        _ server: DaemonConfig.Server, inherited: [ListenerAddress]
    ) throws(CommandFailure) -> [ListenerAddress] {
        guard inherited.isEmpty else {
            try guardStrangers(server, inherited)
            return inherited
        }
        var listeners: [ListenerAddress] = [.tcp(host: server.host, port: UInt16(server.port))]
        if let path = server.unixSocket {
            listeners.append(.unix(path: path, mode: server.unixSocketMode))
        }
        return listeners
    }

    /// The rule for `server.host`, for addresses that the configuration does not know.
    private static func guardStrangers(
        _ server: DaemonConfig.Server, _ inherited: [ListenerAddress]
    ) throws(CommandFailure) {
        let asksWhoCalls = !server.tokens.isEmpty || !server.tls.clients.isEmpty
        guard !asksWhoCalls, !server.allowUnauthenticated else { return }
        guard let open = inherited.first(where: { !$0.isLocal }) else { return }
        throw CommandFailure(
            .usage,
            "The inherited socket \(open) can be reached by other machines while server.tokens is "
                + "empty; add a token, bind the socket to loopback, or set "
                + "server.allow_unauthenticated to true")
    }
}
