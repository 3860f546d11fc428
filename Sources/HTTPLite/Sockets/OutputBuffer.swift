/// Bytes of responses that the client has not taken yet.
struct OutputBuffer: Sendable {
    private(set) var bytes: [UInt8] = []
    private var start = 0

    var count: Int { bytes.count - start }

    /// Appends with `body`, which must only append.
    mutating func append(_ body: (inout [UInt8]) -> Void) {
        // A client that never quite catches up must not make the buffer grow without bound.
        if start > 65_536, start > count {
            bytes.removeSubrange(0..<start)
            start = 0
        }
        body(&bytes)
    }

    mutating func consume(_ length: Int) {
        start += length
        guard start == bytes.count else { return }
        clear()
    }

    mutating func clear() {
        // Small responses use the storage again; a large one would sit idle.
        bytes.removeAll(keepingCapacity: bytes.capacity <= 2048)
        start = 0
    }

    func withUnsent<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start...])) }
    }
}
