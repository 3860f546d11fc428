/// What the fields that control the connection say, gathered while the header section is read.
struct FieldMeaning {
    private(set) var saysClose = false
    private(set) var saysKeepAlive = false
    private(set) var expectsContinue = false
    private var expectsOther = false
    private var hostCount = 0
    private var length: Int?
    private var codings: [ArraySlice<UInt8>] = []
    private var hasTransferEncoding = false

    /// Looks at one field line; only names of a fitting length are compared.
    mutating func note(
        _ entry: HTTPFields.Entry, in storage: [UInt8]
    ) throws(HTTPFailure) {
        let bytes = storage.span
        let name = Int(entry.name.lowerBound)..<Int(entry.name.upperBound)
        let value = storage[Int(entry.value.lowerBound)..<Int(entry.value.upperBound)]
        switch name.count {
        case 4 where ASCII.equal(bytes, name, "host"):
            hostCount += 1
            guard HostSyntax.isValid(value) else {
                throw HTTPFailure(
                    .malformedHost, "Host is not host[:port]", rfc: "RFC 9112, 3.2")
            }
        case 6 where ASCII.equal(bytes, name, "expect"):
            if ASCII.equal(value, "100-continue".utf8) {
                expectsContinue = true
            } else {
                expectsOther = true
            }
        case 10 where ASCII.equal(bytes, name, "connection"):
            noteConnection(value)
        case 14 where ASCII.equal(bytes, name, "content-length"):
            try noteLength(value)
        case 17 where ASCII.equal(bytes, name, "transfer-encoding"):
            hasTransferEncoding = true
            codings += Self.elements(value)
        default:
            break
        }
    }

    /// RFC 9112, 3.2: a 1.1 request has exactly one valid Host; any other number is refused.
    func checkHost(isHTTP10: Bool) throws(HTTPFailure) {
        guard hostCount == 1 || (hostCount == 0 && isHTTP10) else {
            throw HTTPFailure(
                .malformedHost, "a request needs exactly one Host", rfc: "RFC 9112, 3.2")
        }
    }

    /// RFC 9110, 10.1.1: an expectation that cannot be met is 417; HTTP/1.0 knows none.
    func checkExpectation(isHTTP10: Bool) throws(HTTPFailure) {
        guard !expectsOther || isHTTP10 else {
            throw HTTPFailure(
                .unknownExpectation, "only 100-continue can be expected", rfc: "RFC 9110, 10.1.1")
        }
    }

    /// How the body ends (RFC 9112, 6.1 and 6.3); strict where recipients differ.
    func framing(isHTTP10: Bool) throws(HTTPFailure) -> RequestHead.Framing {
        guard hasTransferEncoding else { return length.map { .length($0) } ?? .none }
        guard length == nil else {
            throw ambiguous("both Transfer-Encoding and Content-Length")
        }
        guard !isHTTP10 else { throw ambiguous("Transfer-Encoding in an HTTP/1.0 request") }
        let isChunked = codings.map { ASCII.equal($0, "chunked".utf8) }
        if isChunked == [true] { return .chunked }
        if codings.isEmpty { throw ambiguous("an empty Transfer-Encoding") }
        if isChunked.dropLast().contains(true) {
            throw ambiguous("chunked is not the last and only transfer coding")
        }
        throw HTTPFailure(
            .unknownCoding, "only the transfer coding chunked is served", rfc: "RFC 9112, 6.1")
    }

    private mutating func noteConnection(_ value: ArraySlice<UInt8>) {
        for option in Self.elements(value) {
            if ASCII.equal(option, "close".utf8) { saysClose = true }
            if ASCII.equal(option, "keep-alive".utf8) { saysKeepAlive = true }
        }
    }

    private mutating func noteLength(_ value: ArraySlice<UInt8>) throws(HTTPFailure) {
        guard length == nil else { throw ambiguous("more than one Content-Length") }
        guard !value.isEmpty, value.allSatisfy(ASCII.isDigit) else {
            throw ambiguous("Content-Length is not a number")
        }
        var number = 0
        for digit in value {
            let (product, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(digit - 0x30))
            guard !overflow, !carry else {
                throw HTTPFailure(
                    .bodyTooLarge, "Content-Length is beyond any limit", rfc: "RFC 9110, 15.5.14")
            }
            number = sum
        }
        length = number
    }

    private func ambiguous(_ detail: String) -> HTTPFailure {
        HTTPFailure(.ambiguousFraming, detail, rfc: "RFC 9112, 6.3")
    }

    /// The elements of a list field; empty ones are kept out (RFC 9110, 5.6.1.2).
    private static func elements(_ value: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        value.split(separator: ASCII.comma).compactMap { part in
            let isSpace = { (byte: UInt8) in byte == ASCII.space || byte == ASCII.tab }
            let head = part.drop(while: isSpace)
            let trimmed = head.dropLast(head.reversed().prefix(while: isSpace).count)
            return trimmed.isEmpty ? nil : trimmed
        }
    }
}
