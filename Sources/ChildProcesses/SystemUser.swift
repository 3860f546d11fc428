internal import Glibc

/// A user of this machine that a child can run as.
package struct SystemUser: Equatable, Sendable {
    package let name: String
    package let uid: UInt32
    package let gid: UInt32
    package let home: String

    package init(name: String, uid: UInt32, gid: UInt32, home: String) {
        self.name = name
        self.uid = uid
        self.gid = gid
        self.home = home
    }

    /// `nil` where the system has no user of that name.
    package static func named(_ name: String) -> SystemUser? {
        // The names and numbers of a passwd entry fit; only a huge GECOS field would not.
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16_384) { buffer in
            var entry = passwd()
            var found: UnsafeMutablePointer<passwd>?
            guard let start = buffer.baseAddress,
                getpwnam_r(name, &entry, start, buffer.count, &found) == 0, found != nil
            else { return nil }
            return SystemUser(
                name: name, uid: entry.pw_uid, gid: entry.pw_gid,
                home: entry.pw_dir.map { String(cString: $0) } ?? "/")
        }
    }

    /// The program that changes users. `posix_spawn` cannot, and `setpriv` replaces itself by the
    /// command: unlike `su` and `runuser` it opens no session and leaves no process between.
    package static let setpriv = "/usr/bin/setpriv"

    /// What to put before a command so that it runs as this user with the user's groups, without any
    /// right that the user has not, and with no way to get one by a set-user-ID program.
    ///
    /// Twice: the first keeps root's capabilities until its `execve`, and would so start a program
    /// that the user cannot reach, which then looks for its own files in vain.
    package var prefix: [String] {
        [
            Self.setpriv, "--reuid=\(uid)", "--regid=\(gid)", "--init-groups",
            "--inh-caps=-all", "--ambient-caps=-all", "--", Self.setpriv, "--no-new-privs", "--",
        ]
    }
}
