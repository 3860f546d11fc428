import Glibc
import Testing

@testable import ControlAPI
@testable import DaemonConfiguration
@testable import HTTPLite
@testable import JobModel
@testable import MigrationDaemon

private let certificates =
    #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/Fixtures/http/tls"

@Suite struct ServerSetupTests {
    private static func tls(
        _ certificate: String?, _ key: String?, ca: String? = nil
    ) -> DaemonConfig.Server.TLS {
        func path(_ name: String?) -> String? { name.map { "\(certificates)/\($0)" } }
        return DaemonConfig.Server.TLS(
            certificateFile: path(certificate), privateKeyFile: path(key), clientCAFile: path(ca),
            requireClientCertificate: true, clients: [])
    }

    static let files: [(DaemonConfig.Server.TLS, String?)] = [
        (tls(nil, nil), nil),
        (tls("server.pem", "server.key"), nil),
        (tls("server.pem", "server.key", ca: "ca.pem"), nil),
        (tls("none.pem", "server.key"), "server.tls.certificate_file: cannot load the certificate"),
        (tls("none.pem", "server.key"), "none.pem: No such file or directory"),
        (tls("server.key", "server.key"), "server.tls.certificate_file: "),
        (tls("server.pem", "none.key"), "server.tls.private_key_file: cannot load the private key"),
        (tls("server.pem", "renewed.key"), "server.tls.private_key_file: "),
        (tls("server.pem", "renewed.key"), "key values mismatch"),
        (tls("server.pem", "server.pem"), "server.tls.private_key_file: "),
        (tls("server.pem", "server.key", ca: "none.pem"), "server.tls.client_ca_file: "),
        (tls("server.pem", "server.key", ca: "server.key"), "server.tls.client_ca_file: "),
    ]

    @Test("a file of TLS that cannot be used is named by its key", arguments: files)
    func badFile(tls: DaemonConfig.Server.TLS, expected: String?) {
        let problem = ServerTLS.problem(of: tls)
        if let expected {
            #expect(problem?.contains(expected) ?? false, "\(problem ?? "no problem")")
        } else {
            #expect(problem == nil)
        }
    }

    @Test(
        "addresses are counted but this machine's own",
        arguments: [
            ("192.0.2.1", true), ("2001:db8::1", true), ("127.0.0.1", false), ("127.1.2.3", false),
            ("::1", false), ("unix", false),
        ])
    func addresses(peer: String, isCounted: Bool) throws {
        let request = try makeRequest(peer: peer)
        #expect(RequestRates.address(of: request) == (isCounted ? peer : nil))
    }

    @Test("a rate of zero is no limit")
    func rates() {
        var server = makeServer()
        let authenticator = Authenticator(AccessRules(server))
        #expect(RequestRates.middleware(server.limits, authenticator).count == 2)
        server.limits.requestRatePerCaller = 0
        #expect(RequestRates.middleware(server.limits, authenticator).count == 1)
        server.limits.requestRatePerAddress = 0
        #expect(RequestRates.middleware(server.limits, authenticator).isEmpty)
    }

    @Test("a service manager's sockets stand in for the configuration's")
    func listeners() throws {
        var server = makeServer()
        server.unixSocket = "/run/m.sock"
        #expect(
            try ServerListeners.choose(server, inherited: []) == [
                .tcp(host: "127.0.0.1", port: 8_080), .unix(path: "/run/m.sock", mode: 0o660),
            ])
        let given = [ListenerAddress.unix(path: "/given", mode: 0o600)]
        #expect(try ServerListeners.choose(server, inherited: given) == given)
    }

    @Test("an inherited socket that is open to strangers needs callers to be known")
    func strangers() throws {
        let open = [ListenerAddress.tcp(host: "192.0.2.1", port: 80)]
        #expect(throws: CommandFailure.self) {
            try ServerListeners.choose(makeServer(), inherited: open)
        }
        #expect(
            try ServerListeners.choose(makeServer(tokens: ["t": .admin]), inherited: open) == open)
        var allowed = makeServer()
        allowed.allowUnauthenticated = true
        #expect(try ServerListeners.choose(allowed, inherited: open) == open)
    }

    @Test("the soft limit of open files is raised to the hard one")
    func openFiles() {
        OpenFiles.raiseLimit()
        var limit = rlimit()
        #expect(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        #expect(limit.rlim_cur == limit.rlim_max)
    }
}
