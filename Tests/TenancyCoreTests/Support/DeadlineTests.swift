import Testing

@testable import Support

@Suite struct DeadlineTests {
    @Test("a deadline that never comes has no time left to tell")
    func never() {
        #expect(Deadline.never.remaining == nil)
        #expect(!Deadline.never.hasPassed)
        #expect(Deadline.never.pollMilliseconds == -1)
    }

    @Test("a deadline that has passed leaves nothing, and never less")
    func passed() {
        let deadline = Deadline.after(.seconds(-3))
        #expect(deadline.remaining == .zero)
        #expect(deadline.hasPassed)
        #expect(deadline.pollMilliseconds == 0)
    }

    @Test("poll is given the time left, rounded up, within 32 bits")
    func poll() {
        #expect(Deadline.after(.nanoseconds(1)).pollMilliseconds <= 1)
        let hour = Deadline.after(.seconds(3_600)).pollMilliseconds
        #expect((3_599_000...3_600_000).contains(hour))
        #expect(Deadline.after(.seconds(1 << 40)).pollMilliseconds == .max)
    }

    @Test("the earlier of two deadlines, also of one that never comes")
    func earlier() {
        let soon = Deadline.after(.seconds(-1))
        let late = Deadline.after(.seconds(100))
        #expect(soon.earlier(of: late).hasPassed)
        #expect(late.earlier(of: soon).hasPassed)
        #expect(soon.earlier(of: .never).hasPassed)
        #expect(Deadline.never.earlier(of: soon).hasPassed)
        #expect(Deadline.never.earlier(of: .never).remaining == nil)
    }

    @Test(
        "whole milliseconds of a duration",
        arguments: [
            (.zero, 0), (.milliseconds(1), 1), (.microseconds(1_999), 1),
            (.seconds(2) + .milliseconds(3), 2_003),
        ] as [(Duration, Int64)])
    func milliseconds(duration: Duration, expected: Int64) {
        #expect(duration.milliseconds == expected)
    }
}
