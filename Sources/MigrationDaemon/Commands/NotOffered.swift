internal import TenancyCore

/// Settings that are part of the configuration and that this version cannot honour. It refuses them
/// instead of doing something else than it was told.
enum NotOffered {
    /// Everything of `config` that is refused, a sentence each.
    static func problems(of config: DaemonConfig) -> [String] {
        var problems: [String] = []
        let tls = config.server.tls
        if tls.certificateFile != nil || tls.privateKeyFile != nil || tls.clientCAFile != nil {
            problems.append(
                "server.tls: this version speaks plain HTTP only; set its files to null and put a "
                    + "proxy that speaks TLS in front of it")
        }
        if config.migrations.source == .alembic {
            problems.append(
                "migrations.source: this version runs SQL folders only; write the Alembic project as "
                    + "one (`alembic upgrade FROM:TO --sql` for each revision) and set it to \"sql\""
            )
        }
        return problems
    }
}
