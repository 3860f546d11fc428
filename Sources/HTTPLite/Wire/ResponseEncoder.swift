/// Writes responses as bytes; what handlers give cannot break out of a field.
struct ResponseEncoder: Sendable {
    /// Bytes that most heads stay below.
    static let usualHead = 384

    /// The fields that belong to the server; those of a handler are left out.
    private static let reserved: [[UInt8]] = [
        "content-length", "transfer-encoding", "connection", "date", "x-request-id", "server",
        "keep-alive",
    ].map { Array($0.utf8) }

    private static let crlf: [UInt8] = [ASCII.cr, ASCII.lf]
    private static let separator: [UInt8] = [ASCII.colon, ASCII.space]
    // A 1.0 request is answered as 1.1 as well: the version is the server's (RFC 9112, 2.3).
    private static let statusOK = Array("HTTP/1.1 200 OK\r\n".utf8)
    private static let length = Array("\r\nContent-Length: ".utf8)
    private static let chunked = Array("\r\nTransfer-Encoding: chunked".utf8)
    private static let close = Array("\r\nConnection: close".utf8)
    private static let keepAlive = Array("\r\nConnection: keep-alive".utf8)
    private static let end = Array("\r\n\r\n".utf8)
    private static let lastChunk = Array("0\r\n\r\n".utf8)
    private static let interim = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// The date, perhaps the server's name, and the name of the id's field; renewed every second.
    private var standing: [UInt8] = []
    private let server: String?

    init(server: String?) {
        self.server = server.flatMap { $0.utf8.allSatisfy(ASCII.isFieldValue) ? $0 : nil }
    }

    /// Renews the date.
    mutating func setDate(secondsSince1970 seconds: Int) {
        standing = Array("Date: \(HTTPDate.render(secondsSince1970: seconds))\r\n".utf8)
        if let server { standing += Array("Server: \(server)\r\n".utf8) }
        standing += Array("X-Request-Id: ".utf8)
    }

    /// Appends a head with its empty line.
    func encodeHead(
        _ response: HTTPResponse, plan: ResponsePlan, requestID: String, into output: inout [UInt8]
    ) {
        if response.status == .ok {
            output += Self.statusOK
        } else {
            let status = response.status
            output.append(contentsOf: "HTTP/1.1 \(status.code) \(status.reason)\r\n".utf8)
        }
        for entry in response.fields.entries {
            let name = response.fields.bytes(entry.name)
            if Self.isReserved(name) { continue }
            output += name
            output += Self.separator
            output += response.fields.bytes(entry.value)
            output += Self.crlf
        }
        output += standing
        output.append(contentsOf: requestID.utf8)
        appendFraming(plan, to: &output)
        output += Self.end
    }

    /// Appends `100 Continue`.
    static func encodeContinue(into output: inout [UInt8]) {
        output += interim
    }

    /// Appends one chunk; nothing for no bytes, because an empty chunk ends the body.
    static func encodeChunk(_ bytes: [UInt8], into output: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        output.append(contentsOf: String(bytes.count, radix: 16).utf8)
        output += crlf
        output += bytes
        output += crlf
    }

    /// Appends the end of a chunked body.
    static func encodeLastChunk(into output: inout [UInt8]) {
        output += lastChunk
    }

    private func appendFraming(_ plan: ResponsePlan, to output: inout [UInt8]) {
        switch plan.framing {
        case .none, .untilClose:
            break
        case .length(let length):
            output += Self.length
            output.append(contentsOf: String(length).utf8)
        case .chunked:
            output += Self.chunked
        }
        if !plan.keepsAlive {
            output += Self.close
        } else if plan.isHTTP10 {
            output += Self.keepAlive
        }
    }

    private static func isReserved(_ name: ArraySlice<UInt8>) -> Bool {
        reserved.contains { $0.count == name.count && ASCII.equal(name, $0) }
    }
}
