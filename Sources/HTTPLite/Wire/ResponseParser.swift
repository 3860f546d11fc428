/// Reads the one response of a connection, in pieces of any size (RFC 9112, 4 and 6).
///
/// Interim responses are skipped. A body's end is given by `Content-Length`, by its chunks, or by the
/// end of the connection, in which case `end` completes the response.
struct ResponseParser: Sendable {
    private enum State {
        case head
        case fixed(left: Int)
        case chunked(ChunkedBodyParser)
        case untilEnd
        case complete
    }

    private let bodyLimit: Int
    private let hasBody: Bool
    private var state = State.head
    private var input = InputBuffer()
    /// How much of the input is known to hold no end of a head.
    private var searched = 0

    private(set) var status = 0
    private(set) var fields = HTTPFields()
    private(set) var body: [UInt8] = []

    private static let headLimit = 65_536
    private static let limits = SharedLimits(Limits())

    /// - Parameters:
    ///   - method: the request's, since a response to HEAD has no body.
    ///   - bodyLimit: the largest body that is kept, in bytes.
    init(to method: HTTPMethod, bodyLimit: Int) {
        hasBody = method != .head
        self.bodyLimit = bodyLimit
    }

    var isComplete: Bool {
        if case .complete = state { true } else { false }
    }

    /// Takes bytes from the wire; what follows a complete response is dropped.
    mutating func receive(_ bytes: [UInt8]) throws(HTTPFailure) {
        bytes.withUnsafeBufferPointer { input.append($0) }
        while try advance() {}
    }

    /// The peer has ended its side.
    ///
    /// - Throws: `HTTPFailure` if the response is not complete by that.
    mutating func end() throws(HTTPFailure) {
        switch state {
        case .complete: return
        case .untilEnd: state = .complete
        case .head where status == 0 && input.count == 0:
            throw HTTPFailure(.incompleteBody, "the connection ended without an answer")
        default: throw HTTPFailure(.incompleteBody, "the connection ended within an answer")
        }
    }

    /// One step; false when more bytes are needed or nothing is left to do.
    private mutating func advance() throws(HTTPFailure) -> Bool {
        switch state {
        case .complete:
            input.clear()
            return false
        case .head:
            guard let head = try takeHead() else { return false }
            try begin(head)
            return true
        case .fixed(let left):
            guard left > 0 else {
                state = .complete
                return true
            }
            guard input.count > 0 else { return false }
            let piece = input.take(min(left, input.count))
            body += piece
            state = .fixed(left: left - piece.count)
            return true
        case .untilEnd:
            guard input.count > 0 else { return false }
            guard input.count <= bodyLimit - body.count else { throw tooLarge() }
            body += input.take(input.count)
            return false
        case .chunked(var chunks):
            let step = try chunks.next(&input, bodyLimit: bodyLimit)
            state = .chunked(chunks)
            switch step {
            case .needsMore: return false
            case .bytes(let piece): body += piece
            case .end: state = .complete
            }
            return true
        }
    }

    /// The bytes up to the empty line, without it; nil while it has not come.
    private mutating func takeHead() throws(HTTPFailure) -> [UInt8]? {
        while let lf = input.offsetOfLF(from: searched, limit: Self.headLimit) {
            searched = lf + 1
            let end = input.start + lf
            if lf >= 3, input.bytes[(end - 3)...end].elementsEqual("\r\n\r\n".utf8) {
                searched = 0
                return input.take(lf + 1).dropLast(4)
            }
        }
        guard input.count < Self.headLimit else {
            throw HTTPFailure(.fieldsTooLarge, "the answer's header section is too long")
        }
        return nil
    }

    private mutating func begin(_ head: [UInt8]) throws(HTTPFailure) {
        let lines = head.split(separator: ASCII.lf, omittingEmptySubsequences: false)
        status = try Self.status(of: lines[0])
        fields = HTTPFields()
        for line in lines.dropFirst() { try add(line) }
        if (100...199).contains(status) {
            guard status != 101 else {
                throw HTTPFailure(.malformedRequest, "the answer changes the protocol")
            }
            return
        }
        state = try bodyState()
    }

    /// `HTTP/1.x`, a space, three digits (RFC 9112, 4).
    private static func status(of line: ArraySlice<UInt8>) throws(HTTPFailure) -> Int {
        let bytes = Array(line)
        let digits = bytes.dropFirst(9).prefix(3)
        guard ASCII.hasPrefix(bytes, at: 0, "HTTP/1."), bytes.count >= 12,
            ASCII.isDigit(bytes[7]), bytes[8] == ASCII.space, digits.allSatisfy(ASCII.isDigit),
            bytes.count == 12 || bytes[12] == ASCII.space || bytes[12] == ASCII.cr
        else { throw HTTPFailure(.malformedRequest, "the answer is not HTTP/1.1") }
        let status = digits.reduce(0) { $0 * 10 + Int($1 & 0xF) }
        guard status >= 100 else {
            throw HTTPFailure(.malformedRequest, "the answer has no valid status")
        }
        return status
    }

    private mutating func add(_ line: ArraySlice<UInt8>) throws(HTTPFailure) {
        let text = line.last == ASCII.cr ? line.dropLast() : line
        let isSpace = { (byte: UInt8) in byte == ASCII.space || byte == ASCII.tab }
        let name = text.prefix { $0 != ASCII.colon }
        let padded = text.dropFirst(name.count + 1).drop(while: isSpace)
        let value = padded.dropLast(padded.reversed().prefix(while: isSpace).count)
        guard name.count < text.count,
            fields.append(
                String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
        else { throw HTTPFailure(.malformedField, "a line of the answer's head is not a field") }
    }

    /// RFC 9112, 6.3.
    private func bodyState() throws(HTTPFailure) -> State {
        if !hasBody || status == 204 || status == 304 { return .complete }
        let lengths = fields.values(of: "Content-Length")
        if let coding = fields["Transfer-Encoding"] {
            guard coding.lowercased() == "chunked", lengths.isEmpty,
                fields.values(of: "Transfer-Encoding").count == 1
            else { throw ambiguous() }
            return .chunked(ChunkedBodyParser(limits: Self.limits))
        }
        guard let first = lengths.first else { return .untilEnd }
        guard lengths.allSatisfy({ $0 == first }), first.utf8.allSatisfy(ASCII.isDigit),
            !first.isEmpty
        else { throw ambiguous() }
        guard let length = Int(first), length <= bodyLimit else { throw tooLarge() }
        return .fixed(left: length)
    }

    private func ambiguous() -> HTTPFailure {
        HTTPFailure(
            .ambiguousFraming, "where the answer's body ends is not clear", rfc: "RFC 9112, 6.3")
    }

    private func tooLarge() -> HTTPFailure {
        HTTPFailure(.bodyTooLarge, "the answer is longer than \(bodyLimit) bytes")
    }
}
