import Testing

@testable import HTTPLite

@Suite("Bounds of a request")
struct ParserLimitTests {
    private func limits() -> Limits {
        var limits = Limits()
        limits.requestLineBytes = 40
        limits.headBytes = 120
        limits.fieldCount = 4
        limits.chunkLineBytes = 16
        limits.chunkExtensionBytes = 20
        limits.trailerBytes = 24
        limits.bodyBytes = 100
        return limits
    }

    private func expect(
        _ text: String, _ events: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let bytes = Array(text.utf8)
        for cuts in Replay.cuttings(of: bytes.count, seed: 3) {
            let seen = Replay.events(bytes, cuts: cuts, limits: limits())
            #expect(seen == events, "cut at \(cuts)", sourceLocation: sourceLocation)
            if seen != events { return }
        }
    }

    @Test("a request line may have its limit and no byte more")
    func requestLine() {
        let fits = "GET /" + String(repeating: "a", count: 26) + " HTTP/1.1"
        #expect(fits.utf8.count == 40)
        expect(fits + "\r\nHost: a\r\n\r\n", "GET /" + String(repeating: "a", count: 26), "end")
        expect("G" + fits + "\r\nHost: a\r\n\r\n", "414 uri_too_long")
        expect(String(repeating: "a", count: 43), "414 uri_too_long")
    }

    @Test("a header section may have its limit and no byte more")
    func headBytes() {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nX: "
        let fill = 120 - start.utf8.count - 4
        expect(start + String(repeating: "b", count: fill) + "\r\n\r\n", "GET /", "end")
        expect(start + String(repeating: "b", count: fill + 1) + "\r\n\r\n", "431 fields_too_large")
        expect(start + String(repeating: "b", count: 200), "431 fields_too_large")
    }

    @Test("fields are counted as they come")
    func fieldCount() {
        let start = "GET / HTTP/1.1\r\nHost: a\r\n"
        expect(start + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", "GET /", "end")
        expect(start + "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n", "431 fields_too_large")
        let many = (0..<20_000).map { "X-\($0): v\r\n" }.joined()
        #expect(
            Replay.events("GET / HTTP/1.1\r\nHost: a\r\n" + many) == ["431 fields_too_large"])
    }

    @Test("chunk lines, extensions, trailers and bodies are bounded")
    func chunks() {
        let start = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        let head = "POST / chunked"
        expect(start + "1;abcdefghijkl\r\na\r\n0\r\n\r\n", head, "body a", "end")
        expect(start + "1;abcdefghijklm\r\na", head, "400 malformed_chunk")
        expect(
            start + "1;abcdefghi\r\na\r\n1;abcdefghi\r\nb\r\n1;\r\n", head, "body ab",
            "400 malformed_chunk")
        expect(start + "0\r\nX: 1234567\r\nY: 12\r\n\r\n", head, "end")
        expect(start + "0\r\nX: 1234567\r\nY: 1234567\r\n\r\n", head, "431 fields_too_large")
        let piece = "32\r\n" + String(repeating: "a", count: 50) + "\r\n"
        let body = "body " + String(repeating: "a", count: 100)
        expect(start + piece + piece + "0\r\n\r\n", head, body, "end")
        expect(start + piece + piece + "1\r\n", head, body, "413 payload_too_large")
    }

    @Test("a header section that drips costs linear time")
    func slowHead() {
        var limits = Limits()
        limits.headBytes = 1 << 20
        var parser = RequestParser(limits: SharedLimits(limits))
        let line = Array("GET / HTTP/1.1\r\nX: ".utf8) + [UInt8](repeating: 0x61, count: 1 << 19)
        let clock = ContinuousClock()
        let time = clock.measure {
            for byte in line {
                withUnsafeBytes(of: byte) {
                    parser.receive($0.assumingMemoryBound(to: UInt8.self))
                }
                _ = parser.next()
            }
        }
        // Quadratic work would be 10^11 bytes looked at, minutes instead of well under a second.
        #expect(time < .seconds(20))
    }
}
