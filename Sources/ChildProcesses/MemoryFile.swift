internal import CSystem
package import Descriptors
internal import Glibc

/// A file in memory without a name: what a child reads or writes, gone when both have closed it.
///
/// Instead of a pipe where the other side runs to its end: nothing waits for a reader, so nothing
/// can block.
package struct MemoryFile: ~Copyable, Sendable {
    package let descriptor: OwnedDescriptor

    package init(_ content: [UInt8] = []) throws(SystemError) {
        let file = OwnedDescriptor(
            owning: try check(csystem_memory_file("migrationd"), "memfd_create", "migrationd"))
        try file.withDescriptor { (number) throws(SystemError) in
            try Self.write(content, to: number)
        }
        descriptor = file
    }

    /// Bytes in the file.
    package var size: Int {
        descriptor.withDescriptor { Int(lseek($0, 0, SEEK_END)) }
    }

    /// The last `limit` bytes.
    package func tail(_ limit: Int) -> [UInt8] {
        let size = size
        return descriptor.withDescriptor {
            FileTail.read($0, from: max(0, size - limit), count: min(size, limit))
        }
    }

    /// Writes `content` and goes back to the beginning, where a child will read.
    private static func write(_ content: [UInt8], to number: Int32) throws(SystemError) {
        var rest = content[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(number, $0.baseAddress, $0.count) }
            guard count > 0 else {
                throw SystemError(call: "write", path: "memory", code: errno)
            }
            rest = rest.dropFirst(count)
        }
        lseek(number, 0, SEEK_SET)
    }
}

/// The end of a file that another process writes.
package enum FileTail {
    /// The lines in the last `limit` bytes; empty when the file cannot be read.
    package static func text(ofFile path: String, limit: Int = 2_000) -> String {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return "" }
        return OwnedDescriptor(owning: number).withDescriptor { file in
            let size = Int(lseek(file, 0, SEEK_END))
            return lines(
                read(file, from: max(0, size - limit), count: min(size, limit)),
                isCut: size > limit)
        }
    }

    /// The lines of `bytes` that are not empty.
    ///
    /// Of a text whose beginning was cut off, a line without its own is left out: it could be the
    /// end of a password whose URL nobody can recognise any more. Where it is all there is, it is
    /// shown from where no such end can be.
    package static func lines(_ bytes: [UInt8], isCut: Bool = false) -> String {
        let isTorn = isCut && bytes.first != UInt8(ascii: "\n")
        var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        if isTorn, lines.count > 1 {
            lines.removeFirst()
        } else if isTorn, let line = lines.first {
            let end = line.lastIndex(of: "@") ?? line.firstIndex(of: " ")
            lines = end.map { [line[line.index(after: $0)...]] } ?? []
        }
        return lines.joined(separator: "\n")
    }

    fileprivate static func read(_ file: Int32, from offset: Int, count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: max(0, count)) { buffer, filled in
            while filled < count {
                let start = buffer.baseAddress.map { $0 + filled }
                let got = pread(file, start, count - filled, off_t(offset + filled))
                if got <= 0 { break }
                filled += got
            }
        }
    }
}
