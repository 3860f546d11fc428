internal import Support
internal import Tenants

/// A rule between settings that does not hold.
struct BrokenRule {
    /// The problem, under the key that should change.
    let issue: ConfigIssue
    /// Every key that the rule looks at.
    let keys: [String]

    /// Whether the rule says anything new: not when one of its keys is wrong by itself.
    func isNew(beside issues: [ConfigIssue]) -> Bool {
        keys.allSatisfy { key in
            issues.allSatisfy { issue in
                let path = issue.keyPath
                return path != key && !path.hasPrefix("\(key).") && !path.hasPrefix("\(key)[")
                    && !key.hasPrefix("\(path).")
            }
        }
    }
}

/// Rules that hold between settings.
enum ConfigRules {
    static func broken(by config: DaemonConfig) -> [BrokenRule] {
        tls(config.server.tls) + access(config.server) + registry(config.registry)
            + tenancy(config.tenancy)
    }

    private static func tls(_ tls: DaemonConfig.Server.TLS) -> [BrokenRule] {
        let certificate = "server.tls.certificate_file"
        let key = "server.tls.private_key_file"
        let client = "server.tls.client_ca_file"
        switch (tls.certificateFile, tls.privateKeyFile) {
        case (_?, nil):
            return [rule(key, "must be set together with certificate_file", [certificate])]
        case (nil, _?):
            return [rule(certificate, "must be set together with private_key_file", [key])]
        case (nil, nil) where tls.clientCAFile != nil:
            return [rule(client, "needs certificate_file and private_key_file", [certificate])]
        case _ where !tls.clients.isEmpty && tls.clientCAFile == nil:
            let text = "needs client_ca_file, which says whose certificates are believed"
            return [rule("server.tls.clients", text, [client])]
        default: return []
        }
    }

    private static func access(_ server: DaemonConfig.Server) -> [BrokenRule] {
        guard server.tokens.isEmpty, server.tls.clients.isEmpty, !server.allowUnauthenticated,
            !isLoopback(server.host)
        else {
            return []
        }
        let issue = ConfigIssue(
            "server.host", "must be a loopback address while server.tokens is empty",
            found: JSONValue.string(server.host).renderedString(),
            hint: "add a token, or set server.allow_unauthenticated to true if something else"
                + " keeps strangers out")
        let keys = ["server.host", "server.tokens", "server.allow_unauthenticated"]
        return [BrokenRule(issue: issue, keys: keys)]
    }

    /// RFC 6890: 127.0.0.0/8 and ::1; RFC 6761: `localhost`. Any other name can mean anything.
    private static func isLoopback(_ host: String) -> Bool {
        if ["localhost", "::1", "[::1]"].contains(host) { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private static func registry(_ registry: DaemonConfig.Registry) -> [BrokenRule] {
        guard registry.source == .file, registry.file == nil else { return [] }
        let text = "must be set when registry.source is \"file\""
        return [rule("registry.file", text, ["registry.source"])]
    }

    /// What fastapi-tenancy refuses as well.
    private static func tenancy(_ tenancy: DaemonConfig.Tenancy) -> [BrokenRule] {
        let chosen = tenancy.isolationRule
        if chosen.strategy == .database, tenancy.databaseURLTemplate == nil {
            let text = "must be set when isolation_strategy is \"database\""
            let hint = "tenants with a database_url of their own do not use it"
            let key = "tenancy.database_url_template"
            return [rule(key, text, ["tenancy.isolation_strategy"], hint: hint)]
        }
        if chosen.strategy == .hybrid, chosen.premium == chosen.standard {
            let text = "must differ from premium_isolation_strategy in hybrid isolation"
            let others = ["tenancy.premium_isolation_strategy", "tenancy.isolation_strategy"]
            return [rule("tenancy.standard_isolation_strategy", text, others)]
        }
        return []
    }

    private static func rule(
        _ key: String, _ expected: String, _ others: [String], hint: String? = nil
    ) -> BrokenRule {
        BrokenRule(issue: ConfigIssue(key, expected, hint: hint), keys: [key] + others)
    }
}
