/// Reads a chunked body (RFC 9112, 7.1); extensions are skipped, trailers checked and dropped.
struct ChunkedBodyParser: Sendable {
    enum Step: Equatable {
        case bytes([UInt8])
        case end
        case needsMore
    }

    private enum State {
        case size
        case data(left: Int)
        case dataEnd
        case trailer
    }

    private let limits: SharedLimits
    private var state = State.size
    private var bodyBytes = 0
    private var extensionBytes = 0
    private var trailerBytes = 0
    /// How much of the line at the front of the input holds no LF.
    private var searched = 0

    init(limits: SharedLimits) {
        self.limits = limits
    }

    /// The next piece of the body, as far as the input reaches.
    mutating func next(
        _ input: inout InputBuffer, bodyLimit: Int
    ) throws(HTTPFailure) -> Step {
        while true {
            switch state {
            case .size:
                guard let size = try nextSize(&input) else { return .needsMore }
                guard size <= bodyLimit - bodyBytes else {
                    throw HTTPFailure(
                        .bodyTooLarge, "the body is longer than \(bodyLimit) bytes",
                        rfc: "RFC 9110, 15.5.14")
                }
                bodyBytes += size
                state = size == 0 ? .trailer : .data(left: size)
            case .data(let left):
                guard input.count > 0 else { return .needsMore }
                let bytes = input.take(min(left, input.count))
                state = bytes.count == left ? .dataEnd : .data(left: left - bytes.count)
                return .bytes(bytes)
            case .dataEnd:
                guard try skipCRLF(&input) else { return .needsMore }
                state = .size
            case .trailer:
                guard let isLast = try nextTrailer(&input) else { return .needsMore }
                if isLast { return .end }
            }
        }
    }

    /// `chunk-size [ chunk-ext ] CRLF`; nil when the line is not complete.
    private mutating func nextSize(_ input: inout InputBuffer) throws(HTTPFailure) -> Int? {
        guard
            let line = try nextLine(
                &input, limit: limits.sizes.chunkLineBytes, tooLong: .malformedChunk)
        else { return nil }
        let digits = line.prefix { ASCII.hexValue($0) != nil }
        guard !digits.isEmpty else { throw malformed("a chunk without a size") }
        // RFC 9112, 7.1: a recipient must see large sizes coming.
        guard digits.count <= 16 else { throw malformed("a chunk size of more than 16 digits") }
        var size: UInt64 = 0
        for digit in digits { size = size << 4 | UInt64(ASCII.hexValue(digit) ?? 0) }
        let rest = line.dropFirst(digits.count)
        if !rest.isEmpty { try checkExtension(rest) }
        return Int(exactly: size) ?? .max
    }

    /// RFC 9112, 7.1.1: white space may stand before the semicolon, nothing else may.
    private mutating func checkExtension(_ rest: ArraySlice<UInt8>) throws(HTTPFailure) {
        let first = rest.first { $0 != ASCII.space && $0 != ASCII.tab }
        guard first == ASCII.semicolon, rest.allSatisfy(ASCII.isFieldValue) else {
            throw malformed("a chunk size is followed by something else than an extension")
        }
        extensionBytes += rest.count
        guard extensionBytes <= limits.sizes.chunkExtensionBytes else {
            throw malformed("too many bytes of chunk extensions")
        }
    }

    /// One trailer line; true for the empty line that ends the message.
    private mutating func nextTrailer(_ input: inout InputBuffer) throws(HTTPFailure) -> Bool? {
        let limit = limits.sizes.trailerBytes - trailerBytes
        guard let line = try nextLine(&input, limit: limit, tooLong: .fieldsTooLarge) else {
            return nil
        }
        if line.isEmpty { return true }
        trailerBytes += line.count + 2
        let name = line.prefix(while: ASCII.isToken)
        let value = line.dropFirst(name.count)
        guard !name.isEmpty, value.first == ASCII.colon, value.allSatisfy(ASCII.isFieldValue) else {
            throw HTTPFailure(.malformedField, "a trailer is not a field", rfc: "RFC 9112, 7.1.2")
        }
        return false
    }

    private mutating func skipCRLF(_ input: inout InputBuffer) throws(HTTPFailure) -> Bool {
        guard let first = input.bytes[input.start...].first else { return false }
        guard first == ASCII.cr else { throw malformed("a chunk is longer than its size") }
        guard input.count > 1 else { return false }
        guard input.bytes[input.start + 1] == ASCII.lf else {
            throw malformed("a chunk does not end with CRLF")
        }
        input.consume(2)
        return true
    }

    /// A line without its CRLF, at most `limit` bytes with it.
    private mutating func nextLine(
        _ input: inout InputBuffer, limit: Int, tooLong: HTTPFailure.Reason
    ) throws(HTTPFailure) -> ArraySlice<UInt8>? {
        guard let lf = input.offsetOfLF(from: searched, limit: limit) else {
            searched = min(input.count, limit)
            if input.count >= limit {
                throw HTTPFailure(
                    tooLong, "a line of the chunked body is too long", rfc: "RFC 9112, 7.1")
            }
            return nil
        }
        searched = 0
        guard lf > 0, input.bytes[input.start + lf - 1] == ASCII.cr else {
            throw malformed("a line of the chunked body ends with LF alone")
        }
        let line = input.bytes[input.start..<(input.start + lf - 1)]
        input.consume(lf + 1)
        return line
    }

    private func malformed(_ detail: String) -> HTTPFailure {
        HTTPFailure(.malformedChunk, detail, rfc: "RFC 9112, 7.1")
    }
}
