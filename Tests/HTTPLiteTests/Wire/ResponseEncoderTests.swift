import Testing

@testable import HTTPLite

@Suite("Response encoder")
struct ResponseEncoderTests {
    private func encode(
        _ response: HTTPResponse, _ framing: ResponsePlan.Framing = .length(0),
        keepsAlive: Bool = true, isHTTP10: Bool = false
    ) -> String {
        var encoder = ResponseEncoder(server: "lite")
        encoder.setDate(secondsSince1970: 784_111_777)
        var bytes: [UInt8] = []
        encoder.encodeHead(
            response,
            plan: ResponsePlan(
                framing: framing, hasContent: true, isHTTP10: isHTTP10, keepsAlive: keepsAlive),
            requestID: "r1", into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("a head is the handler's fields and then the server's")
    func head() {
        let response = HTTPResponse(status: .created, fields: ["Location": "/a", "ETag": "\"1\""])
        #expect(
            encode(response) == """
                HTTP/1.1 201 Created\r
                Location: /a\r
                ETag: "1"\r
                Date: Sun, 06 Nov 1994 08:49:37 GMT\r
                Server: lite\r
                X-Request-Id: r1\r
                Content-Length: 0\r
                \r

                """)
    }

    @Test(
        "framing and persistence are told",
        arguments: [
            (ResponsePlan.Framing.none, true, false, ""),
            (.length(7), true, false, "Content-Length: 7\r\n"),
            (.chunked, true, false, "Transfer-Encoding: chunked\r\n"),
            (.untilClose, false, true, "Connection: close\r\n"),
            (.length(7), false, false, "Content-Length: 7\r\nConnection: close\r\n"),
            (.length(7), true, true, "Content-Length: 7\r\nConnection: keep-alive\r\n"),
        ])
    func framing(framing: ResponsePlan.Framing, keeps: Bool, is10: Bool, lines: String) {
        let head = encode(HTTPResponse(status: .ok), framing, keepsAlive: keeps, isHTTP10: is10)
        #expect(head.hasSuffix("X-Request-Id: r1\r\n\(lines)\r\n"))
    }

    @Test(
        "the server's own fields cannot be set by a handler",
        arguments: [
            "Content-Length", "transfer-encoding", "CONNECTION", "Date", "X-Request-Id",
            "Keep-Alive",
        ])
    func reserved(name: String) {
        let plain = encode(HTTPResponse(status: .ok))
        #expect(encode(HTTPResponse(status: .ok, fields: [name: "5"])) == plain)
    }

    @Test("no control byte leaves in a field")
    func splitting() {
        for control in (0...0x1F).map(UInt8.init) + [0x7F] where control != 9 {
            let evil = "a" + String(UnicodeScalar(control)) + "X-Evil: 1"
            var fields = HTTPFields()
            let added = [fields.append("X-A", evil), fields.append(evil, "b")]
            #expect(added == [false, false])
            fields["X-B"] = evil
            fields["X-C"] = "c"
            #expect(fields.all.map(\.name) == ["X-C"])
            #expect(HTTPFields(dictionaryLiteral: ("X-A", evil)).count == 0)
        }
        #expect(
            !encode(HTTPResponse(status: .ok, fields: ["A": "b\r\n\r\nHTTP/1.1"])).contains("A: b"))
    }

    @Test("chunks carry their size, and no bytes make no chunk")
    func chunks() {
        var bytes: [UInt8] = []
        ResponseEncoder.encodeChunk([], into: &bytes)
        ResponseEncoder.encodeChunk([UInt8](repeating: 0x61, count: 17), into: &bytes)
        ResponseEncoder.encodeLastChunk(into: &bytes)
        #expect(
            String(decoding: bytes, as: UTF8.self) == "11\r\naaaaaaaaaaaaaaaaa\r\n0\r\n\r\n")
    }
}

@Suite("Dates")
struct HTTPDateTests {
    @Test(
        "an IMF-fixdate over leap days and centuries",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ])
    func dates(seconds: Int, text: String) {
        #expect(HTTPDate.render(secondsSince1970: seconds) == text)
    }
}
