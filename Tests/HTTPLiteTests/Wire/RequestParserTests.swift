import Testing

@testable import HTTPLite

/// Bytes and the events that they mean, at every cut.
struct Vector: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: String
    let events: [String]

    init(_ name: String, _ bytes: String, _ events: String...) {
        self.name = name
        self.bytes = bytes
        self.events = events
    }

    var testDescription: String { name }
}

@Suite("Request parser")
struct RequestParserTests {
    private static func get(_ fields: String = "", target: String = "/", version: String = "1.1")
        -> String
    {
        "GET \(target) HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n"
    }

    private static func post(_ fields: String, _ body: String) -> String {
        "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)"
    }

    private static func chunked(_ body: String) -> String {
        post("Transfer-Encoding: chunked", body)
    }

    static let accepted: [Vector] = [
        Vector("a plain GET", get(), "GET /", "end"),
        Vector("two requests", get() + get(target: "/b"), "GET /", "end", "GET /b", "end"),
        Vector("an empty line first", "\r\n" + get(), "GET /", "end"),
        Vector("HTTP/1.0 closes", get(version: "1.0"), "GET / 1.0 close", "end"),
        Vector(
            "HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", "GET / 1.0 close", "end"),
        Vector(
            "HTTP/1.0 that asks to keep", get("Connection: Keep-Alive\r\n", version: "1.0"),
            "GET / 1.0", "end"),
        Vector("a later minor version", get(version: "1.7"), "GET /", "end"),
        Vector("close", get("Connection: close\r\n"), "GET / close", "end"),
        Vector(
            "close among options", get("Connection: keep-alive ,\tCLOSE\r\n"), "GET / close", "end"),
        Vector(
            "a length", post("Content-Length: 3", "abc") + get(),
            "POST / length 3", "body abc", "end", "GET /", "end"),
        Vector("a length of zero", post("Content-Length: 000", ""), "POST / length 0", "end"),
        Vector(
            "100-continue", post("Expect: 100-Continue\r\nContent-Length: 1", "a"),
            "POST / length 1 continue", "body a", "end"),
        Vector(
            "no interim answer for HTTP/1.0",
            "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\na",
            "POST / 1.0 length 1 close", "body a", "end"),
        Vector(
            "chunks", chunked("3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n") + get(),
            "POST / chunked", "body abc0123456789", "end", "GET /", "end"),
        Vector(
            "chunk extensions", chunked("1;a=1;b=\"q;\\\"x\" ;c\r\na\r\n0 ;z\r\n\r\n"),
            "POST / chunked", "body a", "end"),
        Vector(
            "trailers", chunked("1\r\na\r\n0\r\nX-T: 1\r\nX-U:\r\n\r\n") + get(),
            "POST / chunked", "body a", "end", "GET /", "end"),
        Vector(
            "the name of a coding in any case",
            post("tRANSFER-eNCODING:\tChUnKeD \t", "0\r\n\r\n"), "POST / chunked", "end"),
        Vector("an empty value", get("X-A:\r\nX-B:b\r\n"), "GET /", "end"),
        Vector("bytes above ASCII in a value", get("X-A: caf\u{e9} \u{ff}\r\n"), "GET /", "end"),
        Vector("a path with a query", get(target: "/a/b?c=d&e"), "GET /a/b?c=d&e", "end"),
        Vector("an absolute target", get(target: "HTTP://x:80/b"), "GET HTTP://x:80/b", "end"),
        Vector(
            "the server as a whole", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS *", "end"),
        Vector("an unknown method", "FROB / HTTP/1.1\r\nHost:\r\n\r\n", "FROB /", "end"),
        Vector("an IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET /", "end"),
        Vector("only a part", "GET / HTTP/1.1\r\nHost: a\r\n"),
        Vector("a body in part", post("Content-Length: 9", "abc"), "POST / length 9", "part abc"),
    ]

    static let refused: [Vector] = [
        Vector("no version", "GET /\r\n\r\n", "400 malformed_target"),
        Vector(
            "a lower case version", "GET / http/1.1\r\nHost: a\r\n\r\n", "400 malformed_request"),
        Vector("a longer version", get(version: "1.10"), "400 malformed_request"),
        Vector("HTTP/2.0", get(version: "2.0"), "505 unsupported_http_version"),
        Vector("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed_target"),
        Vector("a space in the target", get(target: "/a b"), "400 malformed_request"),
        Vector("a tab between", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed_request"),
        Vector("a space at the end", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400 malformed_request"),
        Vector("a fragment", get(target: "/#x"), "400 malformed_target"),
        Vector("bytes above ASCII in the target", get(target: "/\u{e9}"), "400 malformed_target"),
        Vector(
            "a method that is no token", "GE@T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "400 malformed_request"),
        Vector("CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "501 unknown_method"),
        Vector("a star for GET", get(target: "*"), "400 malformed_target"),
        Vector("an authority for GET", get(target: "a:80"), "400 malformed_target"),
        Vector("another scheme", get(target: "ftp://a/"), "400 malformed_target"),
        Vector("user information", get(target: "http://u@a/"), "400 malformed_target"),
        Vector("a TLS hello", "\u{16}\u{3}\u{1}", "400 malformed_request"),
        Vector("two empty lines first", "\r\n\r\n" + get(), "400 malformed_request"),
        Vector("bare LF", "GET / HTTP/1.1\nHost: a\n\n", "400 malformed_request"),
        Vector("bare CR in a value", get("X-A: b\rX-B: c\r\n"), "400 malformed_field"),
        Vector(
            "a lone CR line", "GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", "400 malformed_field"),
        Vector("NUL in a value", get("X-A: b\0c\r\n"), "400 malformed_field"),
        Vector("NUL in a name", get("X\0A: b\r\n"), "400 malformed_field"),
        Vector("a name that is no token", get("X(A): b\r\n"), "400 malformed_field"),
        Vector("no colon", get("NoColon\r\n"), "400 malformed_field"),
        Vector("no name", get(": b\r\n"), "400 malformed_field"),
        Vector("space before the colon", get("X-A : b\r\n"), "400 malformed_field"),
        Vector("a folded line", get("X-A: b\r\n c\r\n"), "400 malformed_field"),
        Vector(
            "space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "400 malformed_field"),
        Vector(
            "a Kelvin sign in a name", get("Transfer-Encod\u{212A}ing: chunked\r\n"),
            "400 malformed_field"),
        Vector("no Host", "GET / HTTP/1.1\r\n\r\n", "400 malformed_host"),
        Vector("two Hosts", get("Host: b\r\n"), "400 malformed_host"),
        Vector("an invalid Host", "GET / HTTP/1.1\r\nHost: b c/@d\r\n\r\n", "400 malformed_host"),
        Vector("an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400 malformed_host"),
        Vector("a port of letters", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "400 malformed_host"),
        Vector(
            "two lengths", post("Content-Length: 1\r\nContent-Length: 1", "a"),
            "400 ambiguous_framing"),
        Vector("a list of lengths", post("Content-Length: 1, 1", "a"), "400 ambiguous_framing"),
        Vector("a sign", post("Content-Length: +1", "a"), "400 ambiguous_framing"),
        Vector("an empty length", post("Content-Length:", "a"), "400 ambiguous_framing"),
        Vector("a hexadecimal length", post("Content-Length: 0x1", "a"), "400 ambiguous_framing"),
        Vector("full-width digits", post("Content-Length: \u{FF11}", "a"), "400 ambiguous_framing"),
        Vector(
            "a length beyond 2^63", post("Content-Length: 9223372036854775808", ""),
            "413 payload_too_large"),
        Vector(
            "length and chunked",
            post("Content-Length: 1\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
            "400 ambiguous_framing"),
        Vector(
            "chunked twice", post("Transfer-Encoding: chunked, chunked", ""),
            "400 ambiguous_framing"),
        Vector(
            "chunked not last", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", ""),
            "400 ambiguous_framing"),
        Vector("no coding", post("Transfer-Encoding:", ""), "400 ambiguous_framing"),
        Vector(
            "another coding", post("Transfer-Encoding: gzip, chunked", ""),
            "501 unknown_transfer_coding"),
        Vector(
            "a coding that begins alike", post("Transfer-Encoding: chunkedx", ""),
            "501 unknown_transfer_coding"),
        Vector(
            "a vertical tab", post("Transfer-Encoding: \u{b}chunked", ""), "400 malformed_field"),
        Vector(
            "a Kelvin sign in a coding", post("Transfer-Encoding: chun\u{212A}ed", ""),
            "501 unknown_transfer_coding"),
        Vector(
            "chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "400 ambiguous_framing"),
        Vector("an unknown expectation", get("Expect: the-moon\r\n"), "417 unknown_expectation"),
        Vector(
            "a chunk without size", chunked("\r\na\r\n"), "POST / chunked", "400 malformed_chunk"),
        Vector("a size with 0x", chunked("0x1\r\na\r\n"), "POST / chunked", "400 malformed_chunk"),
        Vector("a negative size", chunked("-1\r\na\r\n"), "POST / chunked", "400 malformed_chunk"),
        Vector(
            "space after a size", chunked("1 \r\na\r\n"), "POST / chunked", "400 malformed_chunk"),
        Vector(
            "bare LF after a size", chunked("1\na\r\n"), "POST / chunked", "400 malformed_chunk"),
        Vector(
            "no CRLF after the data", chunked("1\r\nab\r\n"),
            "POST / chunked", "body a", "400 malformed_chunk"),
        Vector(
            "17 digits", chunked("10000000000000001\r\na"), "POST / chunked", "400 malformed_chunk"),
        Vector(
            "a size beyond the limit", chunked("ffffffffffffffff\r\na"),
            "POST / chunked", "413 payload_too_large"),
        Vector(
            "a control byte in an extension", chunked("1;\u{1}\r\na\r\n"),
            "POST / chunked", "400 malformed_chunk"),
        Vector(
            "a trailer that is no field", chunked("0\r\nnope\r\n\r\n"),
            "POST / chunked", "400 malformed_field"),
    ]

    static let badPaths = [
        "/%zz", "/%4", "/%", "/%00", "/%ff%fe", "/..", "/a/../b", "/.", "/%2e%2E/", "/a/..%2fb",
        "/%c0%af", "/?a=%", "/?%00", "/?a=%ff", "http://a/..",
    ]

    @Test("what is clear is read the same at every cut", arguments: accepted)
    func accepts(vector: Vector) {
        expectEverywhere(vector)
    }

    @Test("what could be read two ways is refused at every cut", arguments: refused)
    func refuses(vector: Vector) {
        expectEverywhere(vector)
    }

    @Test(
        "a path or query that means different things to different readers is refused",
        arguments: badPaths)
    func refusesPath(path: String) {
        #expect(Replay.events(Self.get(target: path)) == ["400 malformed_target"])
    }

    private func expectEverywhere(_ vector: Vector) {
        let bytes = Array(vector.bytes.utf8)
        for cuts in Replay.cuttings(of: bytes.count, seed: 7) {
            let events = Replay.events(bytes, cuts: cuts)
            // A part of a body is told when it comes, so its pieces are joined here.
            #expect(events == vector.events, "\(vector.name), cut at \(cuts)")
            if events != vector.events { return }
        }
    }

    @Test("seeded changes of good requests give the same events at every cut")
    func mutations() {
        var random = SeededGenerator(seed: 20)
        let alphabet = Array("\r\n\0 \t:;,0aAfFx%/?#\u{b}\u{ff}Content-Length: 1\r\n".utf8)
        for round in 0..<4000 {
            let vector = Self.accepted[round % Self.accepted.count]
            var bytes = Array(vector.bytes.utf8)
            for _ in 0...Int.random(in: 0..<4, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = alphabet.randomElement(using: &random) ?? 0
                case 1: bytes.insert(alphabet.randomElement(using: &random) ?? 0, at: at)
                case 2: bytes.remove(at: at)
                default: bytes.insert(contentsOf: bytes[at...].prefix(9), at: at)
                }
                if bytes.isEmpty { bytes = [0] }
            }
            let whole = Replay.events(bytes)
            let apart = Replay.events(bytes, cuts: Array(1..<max(1, bytes.count)))
            let cuts = (1..<max(1, bytes.count)).filter { _ in Bool.random(using: &random) }
            #expect(whole == apart, "round \(round): \(bytes)")
            #expect(whole == Replay.events(bytes, cuts: cuts), "round \(round): \(bytes)")
        }
    }
}
