/// Looks for the end of a header section line by line and remembers how far it got.
///
/// Each byte is looked at once however slowly it arrives. The bounds are checked at the first byte
/// that passes them, so the answer does not depend on how the bytes were cut.
struct HeadScan: Sendable {
    /// The lines before the empty one, with the request line.
    private(set) var lineCount = 0
    /// Where the request line begins: 2 after an empty line, which old clients send after a body.
    private(set) var headOffset = 0
    /// Where the line being looked for begins, and where its search continues.
    private var lineStart = 0
    private var searched = 0

    var skippedEmptyLine: Bool { headOffset > 0 }

    /// The length of the header section with its empty line, nil when more bytes are needed.
    ///
    /// `start` is where the header section begins in the buffer.
    mutating func findEnd(
        in bytes: [UInt8], from start: Int, limits: SharedLimits
    ) throws(HTTPFailure) -> Int? {
        try checkFirstByte(bytes, start)
        while true {
            let bound = lineCount == 0 ? limits.sizes.requestLineBytes + 2 : limits.sizes.headBytes
            let end = min(bytes.count - start, headOffset + bound)
            guard let found = findLF(in: bytes, from: start + searched, to: start + end) else {
                searched = max(searched, end)
                if bytes.count - start >= headOffset + bound { throw tooLong() }
                return nil
            }
            let line = found - start
            // RFC 9112, 2.2 lets a recipient take a bare LF; peers that differ smuggle with it.
            guard line > lineStart, bytes[found - 1] == ASCII.cr else {
                throw HTTPFailure(
                    .malformedRequest, "a line ends with LF alone", rfc: "RFC 9112, 2.2")
            }
            let isEmpty = line == lineStart + 1
            lineStart = line + 1
            searched = lineStart
            if isEmpty, lineCount > 0 { return lineStart }
            if isEmpty {
                try skipEmptyLine()
                try checkFirstByte(bytes, start)
            } else {
                lineCount += 1
                if lineCount > limits.sizes.fieldCount + 1 {
                    throw tooManyFields(limits.sizes.fieldCount)
                }
            }
        }
    }

    /// RFC 9112, 2.2: one empty line before the request line is ignored.
    private mutating func skipEmptyLine() throws(HTTPFailure) {
        guard headOffset == 0 else {
            throw HTTPFailure(
                .malformedRequest, "more than one empty line before the request line",
                rfc: "RFC 9112, 2.2")
        }
        headOffset = lineStart
    }

    /// Refuses TLS, SSH and other protocols at their first byte instead of after a timeout.
    private func checkFirstByte(_ bytes: [UInt8], _ start: Int) throws(HTTPFailure) {
        let first = start + headOffset
        guard lineCount == 0, first < bytes.count else { return }
        let byte = bytes[first]
        guard ASCII.isToken(byte) || byte == ASCII.cr || byte == ASCII.lf else {
            throw HTTPFailure(
                .malformedRequest, "the first byte cannot begin a method", rfc: "RFC 9112, 3")
        }
    }

    private func tooLong() -> HTTPFailure {
        lineCount == 0
            ? HTTPFailure(.targetTooLong, "the request line is too long", rfc: "RFC 9112, 3")
            : HTTPFailure(.fieldsTooLarge, "the header section is too long", rfc: "RFC 6585, 5")
    }

    private func tooManyFields(_ limit: Int) -> HTTPFailure {
        HTTPFailure(
            .fieldsTooLarge, "more than \(limit) header fields", rfc: "RFC 6585, 5")
    }
}
