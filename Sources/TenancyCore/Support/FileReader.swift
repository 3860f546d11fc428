internal import Descriptors
internal import Glibc

/// A file that could not be read.
package struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file's path as it was asked for.
    package let path: String
    /// What the system said.
    package let reason: String

    package init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    package var description: String { "cannot read \(path): \(reason)" }
}

/// How the file system is reached: a file's path to its bytes.
package typealias FileReader = (_ path: String) throws(FileError) -> [UInt8]

/// The files of this machine.
package enum Files {
    /// Reads a whole file, or fails when it is larger than the limit.
    package static func read(_ path: String, limit: Int = 64 << 20) throws(FileError) -> [UInt8] {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw failure(path) }
        let file = OwnedDescriptor(owning: number)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = file.withDescriptor { Glibc.read($0, &chunk, chunk.count) }
            if count == 0 { return bytes }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw failure(path)
            }
            bytes += chunk[..<count]
            guard bytes.count <= limit else {
                throw FileError(path: path, reason: "it is larger than \(limit) bytes")
            }
        }
    }

    /// Reads at most so many bytes from the beginning of a file.
    package static func head(_ path: String, bytes limit: Int) throws(FileError) -> [UInt8] {
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else { throw failure(path) }
        let file = OwnedDescriptor(owning: number)
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = file.withDescriptor { Glibc.read($0, &bytes, limit) }
        guard count >= 0 else { throw failure(path) }
        return Array(bytes.prefix(count))
    }

    /// Who may do what with a file, links followed; nil where the system does not tell.
    package static func permissions(_ path: String) -> FilePermissions? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return FilePermissions(mode: status.st_mode & 0o777, group: status.st_gid)
    }

    /// The groups of this process.
    package static func groups() -> Set<UInt32> {
        let count = getgroups(0, nil)
        var groups = [gid_t](repeating: 0, count: max(0, Int(count)))
        let filled = getgroups(count, &groups)
        return Set(groups.prefix(max(0, Int(filled)))).union([getegid()])
    }

    private static func failure(_ path: String) -> FileError {
        FileError(path: path, reason: String(cString: strerror(errno)))
    }
}
