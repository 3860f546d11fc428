/// Turns the bytes of a complete header section into a `RequestHead`, or refuses it.
enum HeadParser {
    /// Parses a header section whose lines all end with CRLF, the empty one included.
    static func parse(
        _ storage: [UInt8], lineCount: Int
    ) throws(HTTPFailure) -> RequestHead {
        var cursor = Cursor(bytes: storage)
        let method = try cursor.method()
        let targetRange = try cursor.target()
        let isHTTP10 = try cursor.version()
        var entries: [HTTPFields.Entry] = []
        entries.reserveCapacity(lineCount - 1)
        var meaning = FieldMeaning()
        while let entry = try cursor.field() {
            try meaning.note(entry, in: storage)
            entries.append(entry)
        }
        try meaning.checkHost(isHTTP10: isHTTP10)
        try meaning.checkExpectation(isHTTP10: isHTTP10)
        return RequestHead(
            method: method,
            target: try RequestTarget(storage[targetRange], method: method),
            fields: HTTPFields(storage: storage, entries: entries),
            isHTTP10: isHTTP10,
            framing: try meaning.framing(isHTTP10: isHTTP10),
            keepsAlive: isHTTP10
                ? meaning.saysKeepAlive && !meaning.saysClose : !meaning.saysClose,
            expectsContinue: meaning.expectsContinue && !isHTTP10)
    }
}

/// A position in a header section; each method reads one part of the grammar.
private struct Cursor {
    let bytes: [UInt8]
    var index = 0

    /// `method SP`, a token (RFC 9112, 3.1).
    mutating func method() throws(HTTPFailure) -> HTTPMethod {
        let start = index
        while ASCII.isToken(bytes[index]) { index += 1 }
        guard index > start, bytes[index] == ASCII.space else {
            throw malformed("the method is not a token followed by one space", "RFC 9112, 3.1")
        }
        index += 1
        let method = method(from: start)
        // What follows a CONNECT is not HTTP, so the connection cannot continue.
        guard method != .connect else {
            throw HTTPFailure(.unknownMethod, "CONNECT is not served", rfc: "RFC 9110, 9.3.6")
        }
        return method
    }

    /// `request-target SP` (RFC 9112, 3.2); the forms are distinguished later.
    mutating func target() throws(HTTPFailure) -> Range<Int> {
        let start = index
        while ASCII.isTarget(bytes[index]) { index += 1 }
        guard index > start, bytes[index] == ASCII.space else {
            throw HTTPFailure(
                .malformedTarget,
                "the request line is not method, target and version with one space between",
                rfc: "RFC 9112, 3")
        }
        index += 1
        return start..<(index - 1)
    }

    /// `HTTP/1.x CRLF` (RFC 9112, 2.3); true for HTTP/1.0.
    mutating func version() throws(HTTPFailure) -> Bool {
        let start = index
        guard let end = bytes[start...].firstIndex(of: ASCII.cr), bytes[end + 1] == ASCII.lf,
            end - start == 8, ASCII.hasPrefix(bytes, at: start, "HTTP/"),
            ASCII.isDigit(bytes[start + 5]), bytes[start + 6] == ASCII.dot,
            ASCII.isDigit(bytes[start + 7])
        else { throw malformed("the request line does not end with a version", "RFC 9112, 2.3") }
        guard bytes[start + 5] == UInt8(ascii: "1") else {
            throw HTTPFailure(
                .unsupportedVersion, "only HTTP/1.0 and HTTP/1.1 are served",
                rfc: "RFC 9110, 15.6.6")
        }
        index = end + 2
        return bytes[start + 7] == UInt8(ascii: "0")
    }

    /// `field-name ":" OWS field-value OWS CRLF` (RFC 9112, 5); nil at the empty line.
    mutating func field() throws(HTTPFailure) -> HTTPFields.Entry? {
        if bytes[index] == ASCII.cr { return try emptyLine() }
        let nameStart = index
        while ASCII.isToken(bytes[index]) { index += 1 }
        let nameEnd = index
        guard nameEnd > nameStart, bytes[index] == ASCII.colon else { throw badName(nameStart) }
        index += 1
        while bytes[index] == ASCII.space || bytes[index] == ASCII.tab { index += 1 }
        let valueStart = index
        while ASCII.isFieldValue(bytes[index]) { index += 1 }
        var valueEnd = index
        guard bytes[index] == ASCII.cr, bytes[index + 1] == ASCII.lf else {
            throw HTTPFailure(
                .malformedField, "a field value holds a control byte", rfc: "RFC 9110, 5.5")
        }
        index += 2
        while valueEnd > valueStart,
            bytes[valueEnd - 1] == ASCII.space || bytes[valueEnd - 1] == ASCII.tab
        { valueEnd -= 1 }
        return HTTPFields.Entry(
            name: Int32(nameStart)..<Int32(nameEnd), value: Int32(valueStart)..<Int32(valueEnd))
    }

    private func emptyLine() throws(HTTPFailure) -> HTTPFields.Entry? {
        guard index + 2 == bytes.count else {
            throw HTTPFailure(
                .malformedField, "a CR stands alone", rfc: "RFC 9112, 2.2")
        }
        return nil
    }

    private func badName(_ start: Int) -> HTTPFailure {
        let byte = bytes[index]
        if index == start, byte == ASCII.space || byte == ASCII.tab {
            return HTTPFailure(
                .malformedField, "a header line begins with white space", rfc: "RFC 9112, 5.2")
        }
        return HTTPFailure(
            .malformedField, "a field name is not a token followed by a colon",
            rfc: "RFC 9112, 5.1")
    }

    private func malformed(_ detail: String, _ rfc: String) -> HTTPFailure {
        HTTPFailure(.malformedRequest, detail, rfc: rfc)
    }

    private func method(from start: Int) -> HTTPMethod {
        if ASCII.hasPrefix(bytes, at: start, "GET ") { return .get }
        if ASCII.hasPrefix(bytes, at: start, "POST ") { return .post }
        return HTTPMethod(String(decoding: bytes[start..<(index - 1)], as: UTF8.self))
    }
}
