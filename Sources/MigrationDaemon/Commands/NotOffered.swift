internal import TenancyCore

/// Settings that are part of the configuration and that this version cannot honour. It refuses them
/// instead of doing something else than it was told.
enum NotOffered {
    /// Everything of `config` that is refused, a sentence each.
    static func problems(of config: DaemonConfig) -> [String] {
        var problems: [String] = []
        if config.migrations.source == .alembic {
            problems.append(
                "migrations.source: this version runs SQL folders only; write the Alembic project as "
                    + "one (`alembic upgrade FROM:TO --sql` for each revision) and set it to \"sql\""
            )
        }
        return problems
    }
}
