internal import Glibc

/// The limit of open files: each connection of a client or to a tenant is one.
enum OpenFiles {
    /// Raises the soft limit to the hard one. Nothing here uses select(2), for whose sake the soft
    /// limit is low by default.
    static func raiseLimit() {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        // Best effort: the server keeps within whatever limit is in force.
        _ = setrlimit(resource, &limit)
    }
}
