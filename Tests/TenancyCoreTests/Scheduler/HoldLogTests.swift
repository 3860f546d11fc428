import Testing

@testable import JobModel
@testable import Scheduler
@testable import Support

@Suite struct HoldLogTests {
    private func moment(_ milliseconds: Int64) -> Timestamp {
        Timestamp(milliseconds: milliseconds)
    }

    @Test("a reason keeps the moment at which it began, until it is gone")
    func since() {
        var log = HoldLog()
        let news = [
            log.update([], at: moment(1)), log.update([(.paused, nil)], at: moment(2)),
            log.update([(.paused, nil)], at: moment(3)),
            log.update([(.paused, nil), (.serverUnavailable, "a:1")], at: moment(4)),
            log.update([(.serverUnavailable, "a:1, b:1")], at: moment(5)),
        ]
        #expect(news == [false, true, false, true, true])
        #expect(
            log.holds == [
                JobHold(reason: .serverUnavailable, since: moment(4), detail: "a:1, b:1")
            ])
        let isGone = log.update([], at: moment(6))
        #expect(isGone && log.holds.isEmpty)
        _ = log.update([(.paused, nil)], at: moment(7))
        #expect(log.holds.map(\.since) == [moment(7)])
    }

    @Test("a job says what holds it and since when, and nothing once it has ended")
    func job() {
        var state = ActiveJobState(makeJob(makeRequest()), limit: 2)
        _ = state.handle(.started, at: moment(1))
        let version = state.snapshot.version
        let isNews = state.refreshHolds(at: moment(2))
        #expect(!isNews && state.snapshot.version == version)
        _ = state.handle(.pauseAsked, at: moment(3))
        state.refreshHolds(at: moment(4))
        #expect(
            state.snapshot.holds == [JobHold(reason: .paused, since: moment(4), detail: nil)])
        state.isLeaseInDoubt = true
        state.refreshHolds(at: moment(5))
        #expect(state.snapshot.holds.map(\.reason) == [.paused, .controlDatabase])
        #expect(state.preview(at: moment(6)).holds.isEmpty)
        _ = state.handle(.resumeAsked, at: moment(7))
        state.isLeaseInDoubt = false
        state.refreshHolds(at: moment(8))
        #expect(state.snapshot.holds.isEmpty)
    }
}
