import Testing

@testable import JobModel
@testable import Scheduler

@Suite struct EventWindowTests {
    private func results(_ numbers: [Int64]) -> [RecordedResult] {
        numbers.map { number in
            RecordedResult(
                number: number,
                result: TenantResult(
                    tenantID: "t-\(number)", identifier: "t\(number)", state: .skipped))
        }
    }

    private func job(_ version: Int, _ state: JobState = .running) -> JobSnapshot {
        var job = makeJob(makeRequest())
        job.version = version
        job.state = state
        return job
    }

    @Test(
        "who looks gets what is new to him, and nothing when nothing is",
        arguments: [
            (0, nil, [3, 4, 9]), (3, 7, [4, 9]), (8, 7, [9]), (9, 6, []), (9, nil, []),
            (9, 7, nil), (12, 7, nil), (12, 6, []),
        ] as [(Int64, Int?, [Int64]?)])
    func batches(after: Int64, version: Int?, expected: [Int64]?) {
        var window = EventWindow(after: 0, job: job(6))
        window.add(results([3, 4, 9]), job: job(7), hasMore: false)
        let batch = window.batch(after: after, version: version)
        #expect(batch?.results.map(\.number) == expected)
        #expect(batch?.isEnd != true)
    }

    @Test("the end is told once the last result is there, also to who has seen all")
    func end() {
        var window = EventWindow(after: 0, job: job(1))
        window.add(results([1]), job: job(2, .failed), hasMore: true)
        #expect(window.batch(after: 0, version: nil)?.isEnd == false)
        window.add(results([2]), job: job(2, .failed), hasMore: false)
        #expect(window.batch(after: 1, version: 2)?.isEnd == true)
        #expect(window.batch(after: 2, version: 2)?.results == [])
        #expect(window.batch(after: 2, version: 2)?.isEnd == true)
    }

    @Test("only the newest results are kept, and who is behind them is told to look elsewhere")
    func bounded() {
        var window = EventWindow(after: 10, job: job(1))
        #expect(window.batch(after: 9, version: nil) == nil)
        let limit = Int64(EventWindow.limit)
        window.add(results(Array(11...(10 + limit))), job: job(1), hasMore: true)
        window.add(results(Array((11 + limit)...(60 + limit))), job: job(2), hasMore: false)
        #expect(window.start == 60)
        #expect(window.last == 60 + limit)
        #expect(window.batch(after: 59, version: nil) == nil)
        #expect(window.batch(after: 60, version: nil)?.results.count == EventWindow.limit)
    }
}
