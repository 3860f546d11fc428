package import JobModel
package import Support

/// How the last migration of a tenant ended, or the last reading of it.
package struct LastResult: Sendable, Equatable {
    /// `nil` for a reading outside any job.
    package let job: JobID?
    /// `nil` outside any job, and where the job's row was deleted before it was noted.
    package let operation: JobOperation?
    package let state: TenantState
    package let error: String?
    package let finishedAt: Timestamp

    package init(
        job: JobID?, operation: JobOperation?, state: TenantState, error: String? = nil,
        finishedAt: Timestamp
    ) {
        self.job = job
        self.operation = operation
        self.state = state
        self.error = error
        self.finishedAt = finishedAt
    }

    /// As the status tables keep it.
    var stored: JSONValue {
        [
            "job_id": JSONValue(job?.description), "operation": JSONValue(operation?.rawValue),
            "state": .string(state.rawValue), "error": JSONValue(error),
            "finished_at": .string(finishedAt.description),
        ]
    }
}

/// How a tenant's last migration and its last reading ended, each where there was one.
///
/// Reading is not migrating: a check or a dry run that succeeds says nothing of the migration that
/// failed before it.
package struct LastResults: Sendable, Equatable {
    package var migration: LastResult?
    package var reading: LastResult?

    package init(migration: LastResult? = nil, reading: LastResult? = nil) {
        self.migration = migration
        self.reading = reading
    }

    /// What a tenant's result tells beyond its job: nothing while the tenant has not ended, and
    /// nothing where it was cancelled, since what ran was rolled back.
    init(_ result: TenantResult, of request: JobRequest, job: JobID) {
        guard result.state.isFinal, result.state != .cancelled, let finishedAt = result.finishedAt
        else { return }
        let last = LastResult(
            job: job, operation: request.operation, state: result.state,
            error: result.failure?.message, finishedAt: finishedAt)
        if request.changesTenants { migration = last } else { reading = last }
    }

    /// Takes in what a daemon of the release before has noted, which knows one last result of either
    /// kind. What it wrote about a job that is known already, or about a cancelled one, is no news.
    mutating func merge(_ other: LastResult, changesTenants: Bool) {
        guard other.state != .cancelled, other.job != migration?.job, other.job != reading?.job
        else { return }
        if changesTenants {
            migration = LastResults.later(migration, other)
        } else {
            reading = LastResults.later(reading, other)
        }
    }

    private static func later(_ known: LastResult?, _ other: LastResult) -> LastResult {
        guard let known, known.finishedAt >= other.finishedAt else { return other }
        return known
    }
}
