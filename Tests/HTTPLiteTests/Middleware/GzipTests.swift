import CZlib
import Testing

@testable import HTTPLite

@Suite struct GzipTests {
    private static let json = Array(
        ("[" + String(repeating: "{\"identifier\": \"acme\"}, ", count: 400) + "1]").utf8)

    /// The answer of a handler behind the middleware.
    private func answer(
        accepting accepted: String?, type: String = "application/json", body: [UInt8] = json,
        fields more: HTTPFields = [:], status: HTTPStatus = .ok
    ) async throws -> HTTPResponse {
        var fields = more
        fields["Content-Type"] = type
        let router = Answering(
            response: HTTPResponse(status: status, fields: fields, body: .bytes(body)))
        var asked: HTTPFields = [:]
        if let accepted { asked["Accept-Encoding"] = accepted }
        let head = RequestHead(
            method: .get, target: try RequestTarget(Array("/".utf8)[...], method: .get),
            fields: asked, isHTTP10: false, framing: .none, keepsAlive: true,
            expectsContinue: false)
        let request = HTTPRequest(head: head, peer: "192.0.2.1", requestID: "1")
        return try await router.wrapped(in: [GzipMiddleware()]).handle(request)
    }

    @Test(
        "the client's weights decide",
        arguments: [
            (nil, false), ("gzip", true), ("GZIP", true), ("x-gzip", true), ("*", true),
            ("br, gzip;q=0.5", true), ("gzip;q=0", false), ("gzip; q=0.000", false),
            ("*;q=0", false), ("identity", false), ("br", false), ("", false),
            ("identity, gzip;q=0.5", false), ("identity;q=0.5, gzip", true),
            ("identity;q=0, *", true), ("gzip;q=1.000", true), ("gzip;q=0.001", true),
            ("gzip;q=2", false), ("gzip;q=-1", false), ("gzip;q=0.0001", false),
            ("gzip;q=", false), ("*;q=0, gzip", true), ("gzip;q=0, *", false),
            ("deflate,gzip ; q=1", true),
        ])
    func negotiation(accepted: String?, isCoded: Bool) async throws {
        let response = try await answer(accepting: accepted)
        #expect((response.fields["Content-Encoding"] == "gzip") == isCoded)
        #expect(response.fields["Vary"] == "Accept-Encoding")
        guard case .bytes(let bytes) = response.body else {
            Issue.record("the body is gone")
            return
        }
        #expect(isCoded ? inflated(bytes) == Self.json : bytes == Self.json)
    }

    @Test(
        "what is small, of another type or coded already is left alone",
        arguments: [
            ("application/json", 4_095, false), ("application/json", 4_096, true),
            ("application/json; charset=utf-8", 5_000, true),
            ("application/problem+json", 5_000, true), ("text/html", 5_000, true),
            ("image/png", 5_000, false), ("application/json", (16 << 20) + 1, false),
        ])
    func candidates(type: String, size: Int, isCoded: Bool) async throws {
        let body = [UInt8](repeating: 0x20, count: size)
        let response = try await answer(accepting: "gzip", type: type, body: body)
        #expect((response.fields["Content-Encoding"] == "gzip") == isCoded)
        #expect((response.fields["Vary"] != nil) == isCoded)
    }

    @Test("a strong tag becomes weak with its bytes, a weak one stays")
    func tags() async throws {
        for (before, after) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\"")] {
            let plain = try await answer(accepting: nil, fields: ["ETag": before])
            #expect(plain.fields["ETag"] == before)
            let coded = try await answer(accepting: "gzip", fields: ["ETag": before])
            #expect(coded.fields["ETag"] == after)
        }
    }

    @Test("304 varies as the answer that it stands for")
    func notModified() async throws {
        let response = try await answer(accepting: "gzip", body: [], status: .notModified)
        #expect(response.fields["Vary"] == "Accept-Encoding")
        #expect(response.fields["Content-Encoding"] == nil)
    }

    @Test("an existing Vary field is kept, and no-transform is obeyed")
    func otherFields() async throws {
        let varied = try await answer(accepting: "gzip", fields: ["Vary": "Accept"])
        #expect(varied.fields.values(of: "Vary") == ["Accept", "Accept-Encoding"])
        let fixed = try await answer(
            accepting: "gzip", fields: ["Cache-Control": "no-transform"])
        #expect(fixed.fields["Content-Encoding"] == nil)
    }

    @Test("bytes that do not shrink are sent as they are")
    func noise() async throws {
        var random = SystemRandomNumberGenerator()
        let body: [UInt8] = (0..<8_192).map { _ in random.next() }
        let response = try await answer(accepting: "gzip", body: body)
        #expect(response.fields["Content-Encoding"] == nil)
    }

    private func inflated(_ bytes: [UInt8]) -> [UInt8]? {
        var stream = z_stream()
        guard czlib_start_gunzip(&stream) == Z_OK else { return nil }
        defer { inflateEnd(&stream) }
        var input = bytes
        var output = [UInt8](repeating: 0, count: 1 << 20)
        let capacity = output.count
        let result = input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(capacity)
                return inflate(&stream, Z_FINISH)
            }
        }
        return result == Z_STREAM_END ? Array(output[..<(capacity - Int(stream.avail_out))]) : nil
    }
}

private struct Answering: HTTPHandler {
    let response: HTTPResponse

    func handle(_ request: HTTPRequest) async throws -> HTTPResponse { response }
}
