package import ControlStore
package import JobModel
package import Revisions
package import Tenants

/// Why a job is not taken.
package enum SubmissionError: Error, Sendable {
    case queueFull(limit: Int)
    /// The target can be known to be wrong without looking at any tenant.
    case target(RevisionError)
    /// Ids or identifiers that the registry does not have.
    case unknownTenants([String])
    /// The selection matches no tenant, and that was not allowed.
    case emptySelection(registryIsEmpty: Bool)
    /// The idempotency key came with another body before.
    case idempotencyMismatch
    case noTenantsToRetry(JobID)
    /// The job is not finished yet, so it cannot be retried.
    case conflict(state: JobState)
    case jobNotFound(JobID)
    /// The daemon is shutting down.
    case draining
    case registry(RegistryError)
    case store(StatusError)
}

/// Why a job is not controlled.
package enum JobControlError: Error, Sendable {
    case jobNotFound(JobID)
    case conflict(action: String, state: JobState)
    /// Whoever leads the job has not done it in the time allowed, and will when there is such a daemon.
    case elsewhere
    case store(StatusError)
}

/// How a job is stopped.
package enum CancelMode: String, Sendable, CaseIterable {
    /// Tenants that run are finished.
    case graceful
    /// Tenants that run are cancelled and rolled back.
    case immediate
}

/// A job that was taken, or that had been taken before under the same key.
package struct Submission: Sendable {
    package let job: JobSnapshot
    package let isReplay: Bool
}
