internal import ControlAPI
internal import DaemonConfiguration

extension AccessRules {
    /// Who may call, as the configuration has it.
    init(_ server: DaemonConfig.Server) {
        self.init(
            tokens: server.tokens, certificates: server.tls.clients,
            host: server.host, hasOpenMetrics: server.openMetrics)
    }
}
