internal import ControlStore
internal import JobModel
internal import Logging
internal import Support

/// Carries a job's results to the control database, a batch at most every 200 ms.
///
/// While the database is away the results wait in memory, up to a bound at which no further tenant
/// starts; when it is back they are recorded. What is lost with the daemon is read again from the
/// tenants.
struct ResultRecorder: Sendable {
    private static let interval = Duration.milliseconds(200)
    private static let batch = 1_000
    private static let longestPause = Duration.seconds(5)

    let job: ActiveJob
    let store: ControlDatabase
    let replicas: Replicas
    let logger: Logger

    /// Records until the task is cancelled, which is done once everything is recorded.
    func callAsFunction() async {
        var backoff = Backoff(
            from: ResultRecorder.interval * 2, upTo: ResultRecorder.longestPause)
        while !Task.isCancelled {
            let generation = job.results.generation
            let results = job.unrecorded(limit: ResultRecorder.batch)
            if results.isEmpty {
                await job.results.wait(after: generation)
                continue
            }
            do throws(StatusError) {
                try await store.jobTenants.record(
                    results, of: job.request, job: job.id, lease: job.lease)
                if !job.lease.isAssistant {
                    try await store.jobs.update(job.snapshot, lease: job.lease)
                }
                job.didRecord(results.count)
                if replicas.hasPeers {
                    await store.replicas.notify(.job(job.id))
                }
                backoff.reset()
                await rest()
            } catch {
                logger.warning(
                    "Results cannot be recorded, retrying",
                    metadata: ["job": "\(job.id)", "reason": "\(error)"])
                let generation = job.flushes.generation
                await job.flushes.wait(after: generation, until: .after(backoff.next()))
            }
        }
    }

    /// Pauses, but not while somebody waits for what is not recorded yet.
    private func rest() async {
        let generation = job.flushes.generation
        if job.consumeFlushRequest() { return }
        await job.flushes.wait(after: generation, until: .after(ResultRecorder.interval))
    }
}
