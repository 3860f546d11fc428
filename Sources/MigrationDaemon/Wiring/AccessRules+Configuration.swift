internal import ControlAPI
internal import DaemonConfiguration

extension AccessRules {
    /// Who may call, as the configuration has it.
    init(_ server: DaemonConfig.Server) {
        self.init(
            tokens: server.tokens.map {
                Token(name: $0.name, role: $0.role, sha256: $0.sha256)
            },
            certificates: server.tls.clients.map {
                Certificate(subject: $0.subject, name: $0.name, role: $0.role)
            },
            host: server.host, hasOpenMetrics: server.openMetrics)
    }
}
