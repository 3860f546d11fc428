internal import ChildProcesses
internal import Glibc

extension SystemUser {
    /// The user that a server runs as; `nil` when the process is not root, for its own.
    ///
    /// PostgreSQL refuses to run as root (`check_root` in the server's `main`).
    static func forServer() throws(ClusterError) -> SystemUser? {
        guard geteuid() == 0 else { return nil }
        for name in ["postgres", "nobody"] {
            if let user = named(name), user.uid != 0 { return user }
        }
        throw .noUnprivilegedUser
    }

    func own(_ path: String) throws(ClusterError) {
        try check(chown(path, uid, gid), "chown", path)
    }
}
