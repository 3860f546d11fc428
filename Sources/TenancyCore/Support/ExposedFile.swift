/// The permission bits of a file, and the group that the middle three are for.
package struct FilePermissions: Sendable, Equatable {
    package let mode: UInt32
    package let group: UInt32

    package init(mode: UInt32, group: UInt32) {
        self.mode = mode
        self.group = group
    }
}

/// A file that only the daemon should be able to change and, if it holds secrets, to read.
package struct ExposedFile: Sendable, Equatable {
    /// What a file holds, and so who may read it.
    package enum Content: Sendable {
        case plain, secret
    }

    package let path: String
    private let content: Content

    package init(_ path: String, _ content: Content) {
        self.path = path
        self.content = content
    }

    /// What others may do that they should not, and what to do about it; nil for nothing.
    ///
    /// The group's bits count only where the group is none of the daemon's own: a Secret of
    /// Kubernetes is 0440 for the `fsGroup`, a package's file 0640 for the service's group.
    package func warning(_ permissions: FilePermissions?, ownGroups: Set<UInt32>) -> String? {
        guard let permissions else { return nil }
        let isOwnGroup = ownGroups.contains(permissions.group)
        let bits = permissions.mode & 0o7 | (isOwnGroup ? 0 : permissions.mode >> 3 & 0o7)
        let (isWritable, isReadable) = (bits & 0o2 != 0, bits & 0o4 != 0 && content == .secret)
        let deed: String
        switch (isWritable, isReadable) {
        case (false, false): return nil
        case (true, false): deed = "change"
        case (false, true): deed = "read"
        case (true, true): deed = "read and change"
        }
        let octal = String(permissions.mode, radix: 8)
        return "others may \(deed) \(path), mode 0\(octal)"
            + (content == .secret ? ", which holds secrets" : "")
            + ": run chmod \(isOwnGroup ? "o-rw" : "go-rw") on it"
    }
}
