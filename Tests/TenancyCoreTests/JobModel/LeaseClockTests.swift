import Testing

@testable import JobModel

@Suite("Lease clock")
struct LeaseClockTests {
    private let start = ContinuousClock.now

    @Test(
        "a daemon without renewals starts nothing more, and stops before its term is over",
        arguments: [
            (0, LeaseClock.Standing.safe), (9_999, .safe), (10_000, .doubtful),
            (13_499, .doubtful), (13_500, .lost), (60_000, .lost),
        ])
    func standing(milliseconds: Int, expected: LeaseClock.Standing) {
        let clock = LeaseClock(term: .seconds(15), now: start)
        #expect(clock.standing(at: start + .milliseconds(milliseconds)) == expected)
    }

    @Test("a renewal counts from when it was sent, and an old answer takes nothing back")
    func renewals() {
        var clock = LeaseClock(term: .seconds(15), now: start)
        clock.renewed(sentAt: start + .seconds(8))
        clock.renewed(sentAt: start + .seconds(4))
        #expect(clock.standing(at: start + .seconds(17)) == .safe)
        #expect(clock.standing(at: start + .seconds(18)) == .doubtful)
        #expect(clock.standing(at: start + .milliseconds(21_500)) == .lost)
    }

    @Test("whoever waits knows when the standing changes next")
    func changes() {
        let clock = LeaseClock(term: .seconds(15), now: start)
        #expect(clock.nextChange(after: start) == start + .seconds(10))
        #expect(
            clock.nextChange(after: start + .seconds(10)) == start + .milliseconds(13_500))
        #expect(clock.nextChange(after: start + .seconds(14)) == nil)
        #expect(clock.renewal == .seconds(5))
    }
}
