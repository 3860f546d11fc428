/// Reads requests from bytes that arrive in any pieces, and does nothing else.
///
/// `receive` takes bytes, `next` yields what they mean; the events do not depend on how the bytes
/// were cut, except that a body may come in more or fewer pieces. Whatever two recipients could
/// read differently ends in a failure, after which the parser reads no more (RFC 9112, 11.2).
struct RequestParser: Sendable {
    enum Event: Equatable {
        case head(RequestHead)
        case body([UInt8])
        case end
        case failure(HTTPFailure)
    }

    private enum State {
        case head
        case length(left: Int)
        case chunked(ChunkedBodyParser)
        case ended
        case failed
    }

    /// The most bytes that a chunked body may have; a longer one is 413 before it is read.
    var bodyLimit: Int

    private let limits: SharedLimits
    private var input = InputBuffer()
    private var scan = HeadScan()
    private var state = State.head

    init(limits: SharedLimits) {
        self.limits = limits
        self.bodyLimit = limits.sizes.bodyBytes
    }

    /// Bytes received and not yet consumed.
    var bufferedCount: Int { input.count }

    /// Whether some bytes of a next request have come.
    var hasPartialRequest: Bool { input.count > 0 || scan.skippedEmptyLine }

    /// Takes bytes from the wire; after a failure they are dropped.
    mutating func receive(_ bytes: UnsafeBufferPointer<UInt8>) {
        if case .failed = state { return }
        input.append(bytes)
    }

    /// The next event, nil when more bytes are needed.
    mutating func next() -> Event? {
        do throws(HTTPFailure) {
            switch state {
            case .head: return try nextHead()
            case .length(let left): return nextBytes(left: left)
            case .chunked(let body): return try nextChunk(body)
            case .ended:
                state = .head
                return .end
            case .failed: return nil
            }
        } catch {
            state = .failed
            input.clear()
            return .failure(error)
        }
    }

    private mutating func nextHead() throws(HTTPFailure) -> Event? {
        guard let length = try scan.findEnd(in: input.bytes, from: input.start, limits: limits)
        else { return nil }
        let lineCount = scan.lineCount
        input.consume(scan.headOffset)
        let head = try HeadParser.parse(
            input.take(length - scan.headOffset), lineCount: lineCount)
        scan = HeadScan()
        switch head.framing {
        case .none, .length(0): state = .ended
        case .length(let left): state = .length(left: left)
        case .chunked: state = .chunked(ChunkedBodyParser(limits: limits))
        }
        return .head(head)
    }

    private mutating func nextBytes(left: Int) -> Event? {
        guard input.count > 0 else { return nil }
        let bytes = input.take(min(left, input.count))
        state = bytes.count == left ? .ended : .length(left: left - bytes.count)
        return .body(bytes)
    }

    private mutating func nextChunk(_ body: ChunkedBodyParser) throws(HTTPFailure) -> Event? {
        var body = body
        let step = try body.next(&input, bodyLimit: bodyLimit)
        state = .chunked(body)
        switch step {
        case .bytes(let bytes): return .body(bytes)
        case .needsMore: return nil
        case .end:
            state = .head
            return .end
        }
    }
}
