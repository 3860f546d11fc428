import Testing

@testable import ControlAPI
@testable import DaemonConfiguration
@testable import HTTPLite
@testable import JobModel
@testable import MigrationDaemon
@testable import Support

/// A request as the server would hand it over.
func makeRequest(
    _ method: HTTPMethod = .get, _ target: String = "/", _ fields: HTTPFields = [:],
    body: String = "", parameters: [String: String] = [:], id: String = "request-1",
    peer: String = "127.0.0.1", certificate: ClientCertificate? = nil
) throws -> HTTPRequest {
    var all: HTTPFields = fields
    if all["Host"] == nil { all["Host"] = "localhost:8080" }
    let head = RequestHead(
        method: method, target: try RequestTarget(Array(target.utf8)[...], method: method),
        fields: all, isHTTP10: false, framing: .none, keepsAlive: true, expectsContinue: false)
    var request = HTTPRequest(
        head: head, peer: peer, clientCertificate: certificate, requestID: id)
    request.body = Array(body.utf8)
    request.pathParameters = parameters
    return request
}

/// Server settings that matter for authentication.
func makeServer(
    host: String = "127.0.0.1", tokens: [String: Role] = [:],
    clients: [CertificateOwner] = []
) -> DaemonConfig.Server {
    let rows = tokens.map { token, role in
        AccessToken(
            name: "the \(role.rawValue)", role: role, sha256: Digest.sha256(Array(token.utf8)))
    }
    return DaemonConfig.Server(
        host: host, port: 8_080, unixSocket: nil, unixSocketMode: 0o660,
        tls: .init(
            certificateFile: nil, privateKeyFile: nil, clientCAFile: nil,
            requireClientCertificate: true, clients: clients), tokens: rows,
        allowUnauthenticated: false, openMetrics: false,
        limits: .init(
            requestLineBytes: 1, headerBytes: 1, headerFields: 1, bodyBytes: 1, connections: 1,
            connectionsPerClient: 1, requestsPerConnection: 1, requestRatePerCaller: 1,
            requestRatePerAddress: 1, eventStreams: 1,
            headerTimeout: .zero, bodyTimeout: .zero, writeTimeout: .zero, idleTimeout: .zero))
}

/// What the checks in front of a handler answer: the call, or the problem.
func admit(
    _ request: HTTPRequest, _ endpoint: Endpoint, tokens: [String: Role] = [:]
) -> Result<APICall, Problem> {
    do throws(Problem) {
        var call = try APICall(
            request, endpoint, Authenticator(AccessRules(makeServer(tokens: tokens))))
        try call.readBody(endpoint.body)
        return .success(call)
    } catch {
        return .failure(error)
    }
}

extension Result where Failure == Problem {
    /// The problem; nil when there is none.
    var problem: Problem? {
        if case .failure(let problem) = self { problem } else { nil }
    }
}

extension HTTPResponse {
    /// The body as JSON; null without one.
    var json: JSONValue {
        guard case .bytes(let bytes) = body else { return nil }
        do throws(JSONError) {
            return try JSONValue.parse(bytes)
        } catch {
            return nil
        }
    }
}
