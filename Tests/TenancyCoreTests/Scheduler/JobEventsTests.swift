import TestSupport
import Testing

@testable import ControlStore
@testable import JobModel
@testable import Scheduler

@Suite(.timeLimit(.minutes(2))) struct JobEventsTests {
    /// What a follower has seen.
    private struct Seen: Sendable {
        var numbers: [Int64] = []
        var tenants: [String] = []
        var states: [JobState] = []
        var sawEnd = false

        mutating func add(_ batch: JobEvents.Batch) {
            numbers += batch.results.map(\.number)
            tenants += batch.results.map(\.result.tenantID)
            states.append(batch.job.state)
            sawEnd = batch.isEnd
        }
    }

    private func follow(
        _ events: JobEvents, _ id: JobID, after number: Int64 = 0, until count: Int = .max
    ) async throws -> Seen {
        var seen = Seen()
        try await events.follow(id, after: number) { batch in
            seen.add(batch)
            return seen.numbers.count < count
        }
        return seen
    }

    @Test("every follower sees each result once, in order, and then the end")
    func order() async throws {
        try await SchedulerRig.with(tenants: (10..<30).map { "t\($0)" }) { rig in
            let member = try await rig.makeScheduler()
            let events = JobEvents(scheduler: member.scheduler, tenants: member.store.jobTenants)
            let id = try await member.submit(makeRequest(concurrency: 2))
            async let first = follow(events, id)
            async let second = follow(events, id)
            for seen in try await [first, second] {
                #expect(seen.numbers == seen.numbers.sorted() && Set(seen.numbers).count == 20)
                #expect(Set(seen.tenants).count == 20)
                #expect(seen.sawEnd && seen.states.last == .succeeded)
            }
            #expect(try await rig.recorded(id).map { String($0.prefix(3)) } == first.tenants)
        }
    }

    @Test("who resumes after a number misses none and sees none again, on another replica too")
    func gap() async throws {
        try await SchedulerRig.with { rig in
            let (leading, other) = try await rig.makePair()
            let id = try await leading.submit(makeRequest(concurrency: 1))
            let here = JobEvents(scheduler: leading.scheduler, tenants: leading.store.jobTenants)
            let head = try await follow(here, id, until: 2)
            let last = try #require(head.numbers.last)
            let there = JobEvents(scheduler: other.scheduler, tenants: other.store.jobTenants)
            let rest = try await follow(there, id, after: last)
            #expect(rest.sawEnd && rest.numbers.allSatisfy { $0 > last })
            #expect(head.tenants.count + rest.tenants.count == 5)
            #expect(Set(head.tenants + rest.tenants).count == 5)
            // Long over, it is read from the tables.
            #expect(try await follow(there, id).tenants == head.tenants + rest.tenants)
        }
    }

    @Test("a job that nobody has is followed to its end at once")
    func unknown() async throws {
        try await SchedulerRig.with { rig in
            let member = try await rig.makeScheduler()
            let events = JobEvents(scheduler: member.scheduler, tenants: member.store.jobTenants)
            let seen = try await follow(events, makeJob(makeRequest()).id)
            #expect(seen.states.isEmpty)
        }
    }
}
