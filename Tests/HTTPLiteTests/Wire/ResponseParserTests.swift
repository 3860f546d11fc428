import Testing

@testable import HTTPLite

@Suite("Responses are read")
struct ResponseParserTests {
    private struct Read: Equatable {
        var status: Int
        var body: String
    }

    /// Hands the bytes over in pieces of `size`, then the end; stops as soon as it is complete.
    private func read(
        _ text: String, to method: HTTPMethod = .get, pieces size: Int = .max
    ) throws(HTTPFailure) -> Read {
        var parser = ResponseParser(to: method, bodyLimit: 100)
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty, !parser.isComplete {
            try parser.receive(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        try parser.end()
        return Read(status: parser.status, body: String(decoding: parser.body, as: UTF8.self))
    }

    private static let good: [(String, Int, String)] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc"),
        ("HTTP/1.1 200 OK\r\ncontent-length:  0 \r\n\r\n", 200, ""),
        ("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na", 200, "a"),
        ("HTTP/1.0 404 Not Found\r\n\r\nuntil the end", 404, "until the end"),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", 204, ""),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
            200, "abc"
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                + "HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\na", 201, "a"
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", 200, "ab"),
    ]

    @Test("however they are cut", arguments: good)
    func whole(text: String, status: Int, body: String) throws {
        for size in [1, 2, 3, 7, .max] {
            #expect(try read(text, pieces: size) == Read(status: status, body: body))
        }
    }

    @Test("a response to HEAD has no body")
    func head() throws {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
        #expect(try read(text, to: .head) == Read(status: 200, body: ""))
    }

    @Test("the end of the connection completes none that told its length", arguments: good)
    func cut(text: String, status: Int, body: String) {
        let bytes = Array(text.utf8)
        for length in 0..<bytes.count where !body.hasPrefix("until") && status != 204 {
            let part = String(decoding: bytes.prefix(length), as: UTF8.self)
            #expect(throws: HTTPFailure.self) { try read(part) }
        }
    }

    @Test(
        "what is no clear answer is refused",
        arguments: [
            ("SSH-2.0-OpenSSH\r\n\r\n", HTTPFailure.Reason.malformedRequest),
            ("HTTP/2 200\r\n\r\n", .malformedRequest),
            ("HTTP/1.1 20 OK\r\n\r\n", .malformedRequest),
            ("HTTP/1.1 2000 OK\r\n\r\n", .malformedRequest),
            ("HTTP/1.1 099 No\r\n\r\n", .malformedRequest),
            ("HTTP/1.1 101 Switching\r\n\r\n", .malformedRequest),
            ("HTTP/1.1 200 OK\r\nno field\r\n\r\n", .malformedField),
            ("HTTP/1.1 200 OK\r\na b: c\r\n\r\n", .malformedField),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", .ambiguousFraming),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                .ambiguousFraming
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", .ambiguousFraming),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                .ambiguousFraming
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", .bodyTooLarge),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", .bodyTooLarge),
            ("HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "a", count: 101), .bodyTooLarge),
            ("HTTP/1.1 200 OK\r\n" + String(repeating: "a", count: 70_000), .fieldsTooLarge),
        ])
    func refused(text: String, reason: HTTPFailure.Reason) {
        for size in [1, 4_096, .max] {
            #expect {
                try read(text, pieces: size)
            } throws: {
                ($0 as? HTTPFailure)?.reason == reason
            }
        }
    }

    @Test(
        "an address is a scheme, a host and a port",
        arguments: [
            ("http://a", "a", 80), ("https://a/", "a", 443), ("HTTP://a:8080", "a", 8080),
            ("http://[::1]:8080", "::1", 8080), ("http://[::1]", "::1", 80),
            ("http://u:p%40@a:1", "a", 1),
        ])
    func origin(text: String, host: String, port: UInt16) {
        let origin = HTTPOrigin(text)
        #expect(origin?.host == host)
        #expect(origin?.port == port)
        #expect(origin?.userInfo == (text.contains("@") ? "u:p@" : nil))
        #expect(origin?.authority.contains("@") == false)
    }

    @Test(
        "anything else is no address",
        arguments: [
            "", "a", "a:80", "ftp://a", "http://", "http:///", "http://a/b", "http://a?b",
            "http://:80",
            "http://a:0", "http://a:65536", "http://a:b", "http://a b", "http://[::1", "http://[]",
            "http://::1", "http://a\r\nb",
        ])
    func noOrigin(text: String) {
        #expect(HTTPOrigin(text) == nil)
    }
}
