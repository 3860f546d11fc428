import Testing

@testable import HTTPLite

@Suite("Timer queue")
struct TimerQueueTests {
    @Test("entries come out in order, and only when their time has come")
    func order() {
        var random = SeededGenerator(seed: 9)
        var queue = TimerQueue()
        var times: [Int64] = (0..<500).map { _ in .random(in: 0..<1000, using: &random) }
        for (token, time) in times.enumerated() {
            queue.insert(Moment(nanoseconds: time), token: UInt64(token))
        }
        times.sort()
        #expect(queue.first?.nanoseconds == times.first)
        var popped: [Int64] = []
        for now in stride(from: Int64(0), through: 1000, by: 100) {
            while let entry = queue.popExpired(now: Moment(nanoseconds: now)) {
                popped.append(entry.moment.nanoseconds)
            }
            #expect(popped == times.filter { $0 <= now })
        }
        #expect(queue.count == 0)
    }
}
