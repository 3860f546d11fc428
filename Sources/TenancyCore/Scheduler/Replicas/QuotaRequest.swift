internal import ControlStore
internal import JobModel
internal import Support

/// Asks how many tenants of a job may be migrated at once here, and sets that.
struct QuotaRequest: Sendable {
    let job: ActiveJob
    let replicas: ReplicaTable

    /// Others may be given what this replica does not use at the moment of the question, so until the
    /// answer is there it begins no more than it had; after an error, until there is another answer.
    ///
    /// - Returns: `nil` when the job has ended, or the task was cancelled.
    func callAsFunction() async throws(StatusError) -> JobQuota? {
        do throws(CancellationError) {
            try await job.quotaRequests.acquire()
        } catch {
            return nil
        }
        let result: Result<JobQuota?, StatusError>
        do throws(StatusError) {
            result = .success(try await ask())
        } catch {
            result = .failure(error)
        }
        await job.quotaRequests.release()
        return try result.get()
    }

    private func ask() async throws(StatusError) -> JobQuota? {
        let inFlight = job.freezeInFlight()
        // What the replica still migrates as an assistant counts for it as well.
        let earlier = job.predecessor.map(\.runningTenants.keys).map(Array.init) ?? []
        let quota = try await replicas.quota(
            of: job.id, replica: job.lease.replica, running: inFlight.tenants + earlier,
            inUse: inFlight.count + (job.predecessor?.inFlight ?? 0))
        if let quota {
            let elsewhere = job.lease.isAssistant ? 0 : quota.runningElsewhere
            // It starts nothing more, so that this is the most that it has.
            let rest = max(0, quota.limit - (job.predecessor?.inFlight ?? 0))
            job.grant(rest, runningElsewhere: elsewhere)
        }
        return quota
    }
}
