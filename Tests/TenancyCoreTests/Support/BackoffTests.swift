import Testing

@testable import Support

struct BackoffTests {
    @Test("pauses double up to the longest one, and begin again after a success")
    func doubling() {
        var backoff = Backoff(from: .milliseconds(200), upTo: .seconds(1))
        let pauses = (0..<5).map { _ in backoff.next() }
        #expect(pauses == [200, 400, 800, 1_000, 1_000].map { .milliseconds($0) })
        backoff.reset()
        #expect(backoff.next() == .milliseconds(200))
    }

    @Test("jitter shortens a pause and not those after it")
    func jitter() {
        var backoff = Backoff(from: .milliseconds(100), upTo: .seconds(1))
        #expect(backoff.next(jitter: 0.5) == .milliseconds(50))
        #expect(backoff.next() == .milliseconds(200))
    }

    @Test("a shortest pause above the longest one is the longest")
    func inverted() {
        var backoff = Backoff(from: .seconds(5), upTo: .seconds(1))
        #expect(backoff.next() == .seconds(1))
    }
}
