import Testing

@testable import JobModel
@testable import Scheduler
@testable import Support

@Suite struct LeftJobTests {
    private let now = Timestamp(milliseconds: 1_795_342_600_000)

    @Test("a job that the control database has lost ends with numbers that add up")
    func ends() throws {
        var job = makeJob(makeRequest(), state: .running)
        job.startedAt = now
        job.counts.add(3, to: .pending)
        job.counts.add(2, to: .running)
        job.counts.add(5, to: .succeeded)
        let run = ActiveJob(job, lease: JobLease(replica: "r", epoch: 1), clock: .system)
        run.hold(true)
        #expect(run.snapshot.holds.map(\.reason) == [.controlDatabase])
        let end = try #require(LeftJob(run)).end(at: now)
        #expect(end.holds.isEmpty)
        #expect(end.state == .failed && end.stateReason == "control_database_recreated")
        #expect(end.finishedAt == now && end.counts.total == 10)
        #expect(end.counts.cancelled == 5 && end.counts.pending + end.counts.running == 0)
        job.state = .cancelling
        let cancelling = ActiveJob(job, lease: JobLease(replica: "r", epoch: 1), clock: .system)
        #expect(try #require(LeftJob(cancelling)).end(at: now).state == .cancelled)
    }

    @Test("one that has not begun stays in the queue, and one that has ended is not left")
    func others() throws {
        let queued = makeJob(makeRequest())
        let run = ActiveJob(queued, lease: JobLease(replica: "r", epoch: 1), clock: .system)
        #expect(try #require(LeftJob(run)).end(at: now) == queued)
        let over = makeJob(makeRequest(), state: .succeeded)
        #expect(
            LeftJob(ActiveJob(over, lease: JobLease(replica: "r", epoch: 1), clock: .system)) == nil
        )
    }
}
