internal import Glibc

/// The user that a server runs as when the process itself is root.
struct SystemUser: Equatable {
    let name: String
    let uid: uid_t
    let gid: gid_t

    /// `nil` when the process is not root: the server then runs as the process's own user.
    ///
    /// PostgreSQL refuses to run as root (`check_root` in the server's `main`).
    static func forServer() throws(ClusterError) -> SystemUser? {
        guard geteuid() == 0 else { return nil }
        for name in ["postgres", "nobody"] {
            if let user = named(name), user.uid != 0 { return user }
        }
        throw .noUnprivilegedUser
    }

    static func named(_ name: String) -> SystemUser? {
        // The names and numbers of a passwd entry fit; only a huge GECOS field would not.
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16_384) { buffer in
            var entry = passwd()
            var found: UnsafeMutablePointer<passwd>?
            guard let start = buffer.baseAddress,
                getpwnam_r(name, &entry, start, buffer.count, &found) == 0, found != nil
            else { return nil }
            return SystemUser(name: name, uid: entry.pw_uid, gid: entry.pw_gid)
        }
    }

    /// What to put before a command so that it runs as this user, with no group of root's left.
    ///
    /// `setpriv` is in util-linux, which every Debian has, and replaces itself by the command:
    /// unlike `su` and `runuser` it opens no session and leaves no process between.
    var prefix: [String] {
        ["/usr/bin/setpriv", "--reuid=\(uid)", "--regid=\(gid)", "--clear-groups", "--"]
    }

    func own(_ path: String) throws(ClusterError) {
        try check(chown(path, uid, gid), "chown", path)
    }
}
