package import Engine
package import JobModel
internal import PostgresClient
internal import Revisions
internal import Support
package import Tenants

/// The journal of unfinished steps as one job writes it, in the control database.
///
/// A step is in the hands of the job that wrote it last, under the lease that the job had then, for
/// as long as that lease is in force. Afterwards any job may resume it.
package struct JobJournal: StepJournal {
    package let table: StepJournalTable
    package let job: JobID
    package let lease: JobLease

    package init(table: StepJournalTable, job: JobID, lease: JobLease) {
        self.table = table
        self.job = job
        self.lease = lease
    }

    package func find(_ target: Target) async throws(TenantFailure) -> UnfinishedStep? {
        try await ask { () throws(StatusError) in
            try await table.find(ofTarget: target.key)
        }
    }

    package func write(
        _ step: UnfinishedStep, of target: Target, tenants: [TenantName]
    ) async throws(TenantFailure) {
        let isOurs = try await ask { () throws(StatusError) in
            try await table.write(
                step, ofTarget: target.key, tenants: tenants.map(\.id), job: job, lease: lease)
        }
        if !isOurs { throw JobJournal.inOtherHands }
    }

    package func remove(_ target: Target) async throws(TenantFailure) {
        try await ask { () throws(StatusError) in
            try await table.remove(ofTarget: target.key)
        }
    }

    package func acquireBuildPlace(_ target: Target) async throws(TenantFailure) -> Bool {
        try await ask { () throws(StatusError) in
            try await table.acquireBuildPlace(
                forTarget: target.key, in: target.connection.databaseKey)
        }
    }

    package func releaseBuildPlace(_ target: Target) async throws(TenantFailure) {
        try await ask { () throws(StatusError) in
            try await table.releaseBuildPlace(ofTarget: target.key)
        }
    }

    private func ask<R>(
        _ question: () async throws(StatusError) -> R
    ) async throws(TenantFailure) -> R {
        do throws(StatusError) {
            return try await question()
        } catch {
            throw TenantFailure(
                code: .job(.controlDatabaseUnavailable), message: "\(error)", isRetryable: true,
                hint: "check the control database; the step resumes from where it is")
        }
    }

    private static let inOtherHands = TenantFailure(
        code: .job(.targetLocked),
        message: "another job carries out a step of the same target, or has taken this job over",
        isRetryable: true, hint: "wait for it to end, or cancel it")
}
