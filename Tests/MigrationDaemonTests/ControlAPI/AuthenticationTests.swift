import Testing

@testable import ControlAPI
@testable import DaemonConfiguration
@testable import HTTPLite
@testable import JobModel
@testable import MigrationDaemon

@Suite struct AuthenticationTests {
    private static let tokens: [String: Role] = [
        "see": .viewer, "run": .operator, "all": .admin,
    ]

    private func code(
        _ fields: HTTPFields, _ access: Access, tokens: [String: Role] = tokens,
        host: String = "127.0.0.1"
    ) throws -> String {
        let authenticator = Authenticator(AccessRules(makeServer(host: host, tokens: tokens)))
        let request = try makeRequest(.get, "/v1/jobs", fields)
        do throws(Problem) {
            return try authenticator.admit(request, access).name
        } catch {
            return error.code.rawValue
        }
    }

    static let bearers: [(String, String?, Access, String)] = [
        ("a viewer reads", "Bearer see", .atLeast(.viewer), "the viewer"),
        ("an admin reads", "Bearer all", .atLeast(.viewer), "the admin"),
        ("an operator controls jobs", "Bearer run", .atLeast(.operator), "the operator"),
        ("a viewer does not control jobs", "Bearer see", .atLeast(.operator), "forbidden"),
        ("an operator is no admin", "Bearer run", .atLeast(.admin), "forbidden"),
        ("the scheme has no case", "bEARER see", .atLeast(.viewer), "the viewer"),
        ("no token", nil, .atLeast(.viewer), "unauthorized"),
        ("a wrong token", "Bearer seen", .atLeast(.viewer), "unauthorized"),
        ("a longer token", "Bearer see see", .atLeast(.viewer), "unauthorized"),
        ("another scheme", "Basic see", .atLeast(.viewer), "unauthorized"),
        ("nothing after the scheme", "Bearer", .atLeast(.viewer), "unauthorized"),
        ("an open call asks for none", nil, .open, "anonymous"),
        ("an open call does not look", "Bearer wrong", .open, "anonymous"),
    ]

    @Test("the token decides who calls and what is allowed", arguments: bearers)
    func bearer(name: String, value: String?, access: Access, expected: String) throws {
        let fields: HTTPFields = value.map { ["Authorization": $0] } ?? [:]
        #expect(try code(fields, access) == expected, "\(name)")
    }

    static let certificates: [(String, String?, String?, Access, String)] = [
        ("a named subject", "CN=ci,O=acme", nil, .atLeast(.operator), "ci"),
        ("a named subject has its role only", "CN=ci,O=acme", nil, .atLeast(.admin), "forbidden"),
        ("another subject", "CN=ci", nil, .atLeast(.viewer), "unauthorized"),
        ("a token goes before it", "CN=ci,O=acme", "Bearer all", .atLeast(.admin), "the admin"),
        (
            "a wrong token is refused", "CN=ci,O=acme", "Bearer no", .atLeast(.viewer),
            "unauthorized"
        ),
        ("a token helps a stranger", "CN=x", "Bearer see", .atLeast(.viewer), "the viewer"),
        ("neither", nil, nil, .atLeast(.viewer), "unauthorized"),
    ]

    @Test(
        "the subject of a client certificate decides where no token is sent",
        arguments: certificates)
    func certificate(
        name: String, subject: String?, token: String?, access: Access, expected: String
    ) throws {
        let clients = [
            CertificateOwner(subject: "CN=ci,O=acme", name: "ci", role: .operator)
        ]
        let fields: HTTPFields = token.map { ["Authorization": $0] } ?? [:]
        for tokens in [Self.tokens, [:]] where token == nil || !tokens.isEmpty {
            let authenticator = Authenticator(
                AccessRules(makeServer(tokens: tokens, clients: clients)))
            let request = try makeRequest(
                .get, "/v1/jobs", fields,
                certificate: subject.map { ClientCertificate(subject: $0, commonName: nil) })
            let seen: String
            do throws(Problem) {
                seen = try authenticator.admit(request, access).name
            } catch {
                seen = error.code.rawValue
            }
            #expect(seen == expected, "\(name)")
            #expect(authenticator.requiresToken)
            let isKnown = !["unauthorized", "forbidden"].contains(expected)
            if isKnown { #expect(authenticator.callerName(of: request) == expected) }
        }
    }

    @Test("two Authorization fields are refused, whatever they say")
    func twice() throws {
        let fields: HTTPFields = ["Authorization": "Bearer see", "authorization": "Bearer see"]
        #expect(try code(fields, .atLeast(.viewer)) == "unauthorized")
    }

    @Test(
        "401 says how to authenticate, and names the token only when one was given",
        arguments: [
            (nil, "Bearer realm=\"migrationd\""),
            ("Bearer x", "Bearer realm=\"migrationd\", error=\"invalid_token\""),
        ])
    func challenge(value: String?, expected: String) throws {
        let fields: HTTPFields = value.map { ["Authorization": $0] } ?? [:]
        let request = try makeRequest(.get, "/v1/jobs", fields)
        let problem = admit(request, JobRoutes.list, tokens: Self.tokens).problem
        #expect(problem?.fields["WWW-Authenticate"] == expected)
        #expect(
            problem?.response(instance: "/", requestID: "r").fields["WWW-Authenticate"] == expected)
    }

    static let hosts: [(String, String, String)] = [
        ("localhost:8080", "127.0.0.1", "anonymous"), ("127.0.0.1", "127.0.0.1", "anonymous"),
        ("127.9.9.9:1", "127.0.0.1", "anonymous"), ("[::1]:8080", "::1", "anonymous"),
        ("LocalHost", "127.0.0.1", "anonymous"), ("app.localhost", "127.0.0.1", "anonymous"),
        ("evil.example", "127.0.0.1", "forbidden"), ("127.0.0.1.evil.example", "::1", "forbidden"),
        ("localhost.evil.example:8080", "127.0.0.1", "forbidden"),
        ("10.0.0.1", "127.0.0.1", "forbidden"), ("127.0.0", "127.0.0.1", "forbidden"),
        // Bound to more than loopback on purpose: nobody knows under which names it is reached.
        ("anything.example", "0.0.0.0", "anonymous"),
    ]

    @Test("without tokens only loopback names are answered on loopback", arguments: hosts)
    func rebinding(host: String, listening: String, expected: String) throws {
        #expect(
            try code(["Host": host], .atLeast(.admin), tokens: [:], host: listening) == expected,
            "\(host)")
    }

    @Test(
        "without tokens no other site's page is served",
        arguments: [
            ("http://localhost:8080", "anonymous"), ("https://LOCALHOST:8080", "anonymous"),
            ("http://localhost:9090", "forbidden"), ("http://evil.example", "forbidden"),
            ("null", "forbidden"), ("http://localhost:8080.evil.example", "forbidden"),
        ])
    func origin(value: String, expected: String) throws {
        let fields: HTTPFields = ["Host": "localhost:8080", "Origin": value]
        #expect(try code(fields, .atLeast(.operator), tokens: [:]) == expected)
        #expect(try code(fields, .atLeast(.operator), tokens: [:], host: "0.0.0.0") == expected)
    }
}
