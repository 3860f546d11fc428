package import HTTPLite
internal import JobModel
internal import Support

/// Who makes a call.
struct Principal: Sendable, Equatable {
    let name: String
    let role: Role

    /// The caller where the daemon asks for no token.
    static let anonymous = Principal(name: "anonymous", role: .admin)
}

/// Decides who may call: by bearer token (RFC 6750), by client certificate, or, on a daemon with
/// neither, by where the request says it was sent to and comes from.
package struct Authenticator: Sendable {
    private let tokens: [AccessToken]
    private let clients: [String: Principal]
    private let hosts: HostPolicy
    private let hasOpenMetrics: Bool

    package init(_ rules: AccessRules) {
        tokens = rules.tokens
        clients = Dictionary(
            rules.certificates.map { ($0.subject, Principal(name: $0.name, role: $0.role)) },
            uniquingKeysWith: { first, _ in first })
        hosts = HostPolicy(configuredHost: rules.host)
        hasOpenMetrics = rules.hasOpenMetrics
    }

    /// Whether callers must say who they are.
    package var requiresToken: Bool { !tokens.isEmpty || !clients.isEmpty }

    /// The caller's name, if the request proves one.
    package func callerName(of request: HTTPRequest) -> String? {
        guard requiresToken else { return nil }
        do throws(Problem) {
            return try identify(request).name
        } catch {
            return nil
        }
    }

    /// Whether the answer to an open call may say more than strangers need to know: to callers who
    /// say who they are, and to all where nobody is asked.
    func knows(_ request: HTTPRequest) -> Bool {
        do throws(Problem) {
            _ = try identify(request)
            return true
        } catch {
            return false
        }
    }

    /// The caller of a request that may be made with this access.
    func admit(_ request: HTTPRequest, _ access: Access) throws(Problem) -> Principal {
        if access == .metrics && hasOpenMetrics { return .anonymous }
        guard let role = access.role else { return .anonymous }
        let principal = try identify(request)
        guard principal.role >= role else {
            throw Problem(
                .forbidden,
                "This call needs the role \(role.rawValue); this caller has "
                    + "\(principal.role.rawValue).")
        }
        return principal
    }

    private func identify(_ request: HTTPRequest) throws(Problem) -> Principal {
        if !requiresToken {
            try hosts.check(request.fields)
            return .anonymous
        }
        let values = request.fields.values(of: "Authorization")
        // A token is the closer word: who sends one means to be its owner.
        if values.isEmpty, let certificate = request.clientCertificate {
            return try owner(of: certificate)
        }
        guard values.count == 1, let token = Self.bearerToken(values[0]) else {
            throw .unauthorized(
                values.isEmpty
                    ? "Send \"Authorization: Bearer TOKEN\"."
                    : "The Authorization field must stand once and say \"Bearer TOKEN\".",
                isTokenInvalid: !values.isEmpty)
        }
        guard let principal = principal(of: Digest.sha256(Array(token.utf8))) else {
            throw .unauthorized("The token is not known.", isTokenInvalid: true)
        }
        return principal
    }

    private func owner(of certificate: ClientCertificate) throws(Problem) -> Principal {
        if let principal = clients[certificate.subject] { return principal }
        throw .unauthorized(
            "The client certificate is valid, but server.tls.clients does not name its subject; "
                + "send a token.",
            isTokenInvalid: false)
    }

    /// Looks at every token and every byte, so that the time taken tells nothing.
    private func principal(of digest: [UInt8]) -> Principal? {
        var found: Principal?
        for token in tokens where Digest.equalInConstantTime(token.sha256, digest) {
            found = Principal(name: token.name, role: token.role)
        }
        return found
    }

    /// RFC 6750, section 2.1; the scheme's name is case-insensitive (RFC 9110, section 11.1).
    private static func bearerToken(_ value: String) -> String? {
        let parts = value.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let token = MediaType.trimmed(parts[1])
        return token.isEmpty || token.contains(" ") ? nil : token
    }
}

extension Problem {
    /// RFC 6750, section 3: no error code for a request that brought no credentials.
    fileprivate static func unauthorized(_ detail: String, isTokenInvalid: Bool) -> Problem {
        var problem = Problem(.unauthorized, detail)
        problem.fields["WWW-Authenticate"] =
            isTokenInvalid
            ? "Bearer realm=\"migrationd\", error=\"invalid_token\""
            : "Bearer realm=\"migrationd\""
        return problem
    }
}

/// Guards a daemon without tokens against web pages that reach it through a visitor's browser: by a
/// name that its owner has pointed at this machine (DNS rebinding), or by a plain cross-site request.
struct HostPolicy: Sendable {
    /// The address that the daemon listens on, as configured.
    let configuredHost: String

    private static let loopbackNames = ["localhost", "127.0.0.1", "[::1]", "::1"]

    func check(_ fields: HTTPFields) throws(Problem) {
        let host = fields["Host"] ?? ""
        if isLoopbackOnly {
            let name = Self.name(ofAuthority: host)
            let isOurs =
                name == configuredHost.lowercased() || Self.isLoopback(name)
                || name.hasSuffix(".localhost")
            if !isOurs {
                throw Problem(
                    .forbidden,
                    "Without tokens this daemon answers only to loopback names; "
                        + "the Host field says something else.")
            }
        }
        for origin in fields.values(of: "Origin") where !Self.isSameSite(origin, host: host) {
            throw Problem(
                .forbidden, "Without tokens this daemon takes no request from another site's page.")
        }
    }

    private var isLoopbackOnly: Bool { Self.isLoopback(configuredHost.lowercased()) }

    private static func isLoopback(_ name: String) -> Bool {
        if loopbackNames.contains(name) { return true }
        let numbers = name.split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers[0] == "127" && numbers.allSatisfy { UInt8($0) != nil }
    }

    /// The name without its port: `localhost:8080`, `[::1]:8080`.
    private static func name(ofAuthority authority: String) -> String {
        let text = authority.lowercased()
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            return String(text[...end])
        }
        return String(text.prefix { $0 != ":" })
    }

    /// Whether an Origin (RFC 6454, section 7) names the very host and port of the request.
    private static func isSameSite(_ origin: String, host: String) -> Bool {
        let parts = origin.lowercased().split(separator: "/", omittingEmptySubsequences: true)
        return parts.count == 2 && parts[1] == host.lowercased()
    }
}
