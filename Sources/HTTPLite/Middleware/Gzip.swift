internal import CZlib

/// The gzip format (RFC 1952) by zlib.
enum Gzip {
    /// Compresses bytes at once.
    ///
    /// - Returns: nil if zlib has no memory, or if the result would not be shorter.
    static func compress(_ bytes: [UInt8], level: Int32) -> [UInt8]? {
        guard let length = UInt32(exactly: bytes.count) else { return nil }
        var stream = z_stream()
        guard czlib_start_gzip(&stream, level) == Z_OK else { return nil }
        defer { deflateEnd(&stream) }
        let output = [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, count in
            bytes.withUnsafeBufferPointer { input in
                // zlib takes its input by a pointer that is not const, and does not write there.
                stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                stream.avail_in = length
                stream.next_out = buffer.baseAddress
                stream.avail_out = length
                let isComplete = deflate(&stream, Z_FINISH) == Z_STREAM_END
                count = isComplete ? bytes.count - Int(stream.avail_out) : 0
            }
        }
        return output.isEmpty ? nil : output
    }
}
