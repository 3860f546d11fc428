internal import DaemonConfiguration
internal import HTTPLite

/// TLS as `server.tls` asks for it, and what is wrong with its files in the words of the
/// configuration.
enum ServerTLS {
    /// Reads the files; nil where the configuration names none.
    static func open(_ tls: DaemonConfig.Server.TLS) throws(TLSError) -> TLSContext? {
        guard let certificate = tls.certificateFile, let key = tls.privateKeyFile else {
            return nil
        }
        return try TLSContext(
            TLSConfiguration(
                certificateFile: certificate, privateKeyFile: key,
                clientCertificates: clientCertificates(tls)))
    }

    /// What is wrong with the files, under the key that names the file at fault; nil for nothing.
    static func problem(of tls: DaemonConfig.Server.TLS) -> String? {
        do throws(TLSError) {
            _ = try open(tls)
            return nil
        } catch {
            return describe(error)
        }
    }

    static func describe(_ error: TLSError) -> String {
        let key =
            switch error.operation {
            case .createContext, .loadAuthorities: "server.tls"
            case .loadCertificate: "server.tls.certificate_file"
            case .loadPrivateKey, .matchPrivateKey: "server.tls.private_key_file"
            case .loadClientCA: "server.tls.client_ca_file"
            }
        return "\(key): \(error)"
    }

    private static func clientCertificates(
        _ tls: DaemonConfig.Server.TLS
    ) -> TLSConfiguration.ClientCertificates {
        guard let file = tls.clientCAFile else { return .none }
        return tls.requireClientCertificate ? .required(caFile: file) : .optional(caFile: file)
    }
}
