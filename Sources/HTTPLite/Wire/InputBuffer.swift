internal import CSystem
internal import Glibc

/// Bytes that were received and not yet understood.
///
/// Consuming moves a mark; the storage is given back as soon as all is consumed, so that an idle
/// connection holds none.
struct InputBuffer: Sendable {
    private(set) var bytes: [UInt8] = []
    private(set) var start = 0

    var count: Int { bytes.count - start }

    mutating func append(_ more: UnsafeBufferPointer<UInt8>) {
        // Moving the rest to the front only when it is the smaller part keeps this linear.
        if start > 4096, start > count { compact() }
        bytes.append(contentsOf: more)
    }

    mutating func consume(_ length: Int) {
        start += length
        if start == bytes.count { clear() }
    }

    mutating func take(_ length: Int) -> [UInt8] {
        if start == 0, length == bytes.count {
            // All of it, which is the rule: the storage itself is handed over.
            defer { bytes = [] }
            return bytes
        }
        let taken = Array(bytes[start..<(start + length)])
        consume(length)
        return taken
    }

    mutating func clear() {
        // A small storage is kept for the next request; a large one would sit idle.
        bytes.removeAll(keepingCapacity: bytes.capacity <= 256)
        start = 0
    }

    /// The offset from `start` of the first LF at or after `offset`, nil if there is none.
    func offsetOfLF(from offset: Int, limit: Int) -> Int? {
        findLF(in: bytes, from: start + offset, to: min(bytes.count, start + limit))
            .map { $0 - start }
    }

    private mutating func compact() {
        bytes.removeSubrange(0..<start)
        start = 0
    }
}

/// The index of the first LF in a range, found with the C library's vectorised search.
func findLF(in bytes: [UInt8], from first: Int, to end: Int) -> Int? {
    guard first < end else { return nil }
    return bytes.withUnsafeBytes { raw -> Int? in
        guard let base = raw.baseAddress,
            let hit = memchr(base + first, Int32(ASCII.lf), end - first)
        else { return nil }
        return UnsafeRawPointer(hit) - base
    }
}
