import Testing

@testable import JobModel

@Suite("Lease clock")
struct LeaseClockTests {
    private let start = ContinuousClock.now

    @Test(
        "a daemon without renewals starts nothing more, and stops before its term is over",
        arguments: [
            (0, LeaseClock.Standing.valid), (9_999, .valid), (10_000, .expiring),
            (13_499, .expiring), (13_500, .expired), (60_000, .expired),
        ])
    func standing(milliseconds: Int, expected: LeaseClock.Standing) {
        let clock = LeaseClock(duration: .seconds(15), now: start)
        #expect(clock.standing(at: start + .milliseconds(milliseconds)) == expected)
    }

    @Test("a renewal counts from when it was sent, and an old answer takes nothing back")
    func renewals() {
        var clock = LeaseClock(duration: .seconds(15), now: start)
        clock.renewed(sentAt: start + .seconds(8))
        clock.renewed(sentAt: start + .seconds(4))
        #expect(clock.standing(at: start + .seconds(17)) == .valid)
        #expect(clock.standing(at: start + .seconds(18)) == .expiring)
        #expect(clock.standing(at: start + .milliseconds(21_500)) == .expired)
    }

    @Test("whoever waits knows when the standing changes next")
    func changes() {
        let clock = LeaseClock(duration: .seconds(15), now: start)
        #expect(clock.nextChange(after: start) == start + .seconds(10))
        #expect(
            clock.nextChange(after: start + .seconds(10)) == start + .milliseconds(13_500))
        #expect(clock.nextChange(after: start + .seconds(14)) == nil)
        #expect(clock.renewal == .seconds(5))
    }
}
