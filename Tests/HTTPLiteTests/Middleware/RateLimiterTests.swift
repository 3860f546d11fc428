import Testing

@testable import HTTPLite

@Suite("Rate limit")
struct RateLimiterTests {
    private func at(_ seconds: Double) -> Moment {
        Moment(nanoseconds: Int64(seconds * 1e9))
    }

    @Test("a burst passes, then requests at the rate")
    func burst() {
        var limiter = RateLimiter(requestsPerSecond: 0.5, burst: 3)
        let first = (0..<3).map { _ in limiter.admit("a", now: at(10)) }
        #expect(first == [nil, nil, nil])
        #expect(limiter.admit("a", now: at(10)) == 2)
        #expect(limiter.admit("a", now: at(11.5)) == 1)
        #expect(limiter.admit("a", now: at(12)) == nil)
        #expect(limiter.admit("a", now: at(12)) == 2)
        // A clock that stands or goes back gives nothing.
        #expect(limiter.admit("a", now: at(3)) == 2)
    }

    @Test("each key has its own, and rest is not saved up beyond the burst")
    func keys() {
        var limiter = RateLimiter(requestsPerSecond: 1, burst: 1)
        #expect(limiter.admit("a", now: at(0)) == nil)
        #expect(limiter.admit("b", now: at(0)) == nil)
        #expect(limiter.admit("a", now: at(0)) == 1)
        #expect(limiter.admit("a", now: at(100)) == nil)
        #expect(limiter.admit("a", now: at(100)) == 1)
    }

    @Test("rested keys are forgotten, and beyond the limit new keys share")
    func bounded() {
        var limiter = RateLimiter(requestsPerSecond: 1, burst: 2, keyLimit: 1000)
        for number in 0..<100_000 { _ = limiter.admit("\(number)", now: at(Double(number))) }
        #expect(limiter.keyCount <= 128)
        for number in 0..<5000 { _ = limiter.admit("x\(number)", now: at(200_000)) }
        #expect(limiter.keyCount == 1000)
        #expect(limiter.admit("another", now: at(200_000)) == 1)
        #expect(limiter.admit("x1", now: at(200_000)) == nil)
    }

    @Test("a caller over the limit gets 429 and the time to come back")
    func middleware() async throws {
        var router = Router()
        router.add(.get, "/") { _ in HTTPResponse(status: .ok) }
        let head = try HeadParser.parse(
            Array("GET / HTTP/1.0\r\nX-Caller: a\r\n\r\n".utf8), lineCount: 2)
        let request = HTTPRequest(head: head, peer: "p", requestID: "r")
        let limited = router.wrapped(in: [
            RateLimitMiddleware(requestsPerSecond: 0.001, burst: 1) { $0.fields["x-caller"] }
        ])
        #expect(try await limited.handle(request).status == .ok)
        let failure = await #expect(throws: HTTPFailure.self) { try await limited.handle(request) }
        #expect(failure?.status == .tooManyRequests)
        #expect(Int(failure?.fields["Retry-After"] ?? "") ?? 0 > 900)
        let open = router.wrapped(in: [
            RateLimitMiddleware(requestsPerSecond: 0.001, burst: 1) { _ in nil }
        ])
        for _ in 0..<3 { #expect(try await open.handle(request).status == .ok) }
    }
}
