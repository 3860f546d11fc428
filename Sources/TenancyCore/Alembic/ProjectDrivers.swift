internal import PostgresClient

/// The drivers of PostgreSQL that a project's env.py works with, the best one first; none where
/// that is not known.
struct ProjectDrivers: Sendable, Equatable {
    var names: [String] = []
    /// The one that SQLAlchemy takes for `postgresql://`.
    var standard: String?
    /// Whether the configuration names it (`migrations.driver`), for every tenant.
    var isForced = false

    /// The scheme of the URL that workers get in the place of a row's or the configuration's.
    ///
    /// An application stores the URL that it uses itself. A driver that env.py works with stays; so
    /// does a dialect that nothing is known of.
    func scheme(for given: String?) -> String? {
        guard let best = names.first else { return given }
        let named = (given ?? "").split(separator: "+").dropFirst().first.map(String.init)
        if let named, !isForced, names.contains(named) || PythonDriver(rawValue: named) == nil {
            return given
        }
        // As it stands the URL is one for the driver itself, too.
        if named == nil, best == standard { return "postgresql" }
        return "postgresql+\(best)"
    }

    /// The driver of a URL with that scheme; nil where nothing is known of it.
    func driver(of scheme: String?) -> PythonDriver? {
        let isPlain = scheme == "postgresql" && !names.isEmpty
        return isPlain
            ? standard.flatMap { PythonDriver(rawValue: $0) } : PythonDriver(scheme: scheme)
    }
}
