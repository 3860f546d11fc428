internal import ControlStore
internal import Logging
internal import Support
internal import Tenants

/// Tries again while the control database or the registry is away: for as long as it takes where
/// results would be lost, and for a while where a job could just as well be started again.
struct PagingRetry: Sendable {
    private static let longestPause = Duration.seconds(10)

    let job: ActiveJob
    let logger: Logger

    func callAsFunction<R: Sendable>(
        _ body: @Sendable () async throws(JobFailure) -> R
    ) async throws(JobFailure) -> R {
        var backoff = Backoff(from: .milliseconds(200), upTo: PagingRetry.longestPause)
        var attempts = 0
        while true {
            do throws(JobFailure) {
                return try await body()
            } catch {
                attempts += 1
                // A cancelled task would retry without a pause.
                let isOver = job.isDraining || Task.isCancelled
                if isOver || !error.isWorthRetrying(attempts: attempts) { throw error }
                logger.warning(
                    "Reading a page of tenants failed, retrying", metadata: ["reason": "\(error)"])
                await rest(backoff.next())
            }
        }
    }

    /// Pauses, but not while the daemon waits for the job to be left.
    private func rest(_ pause: Duration) async {
        let end = Deadline.after(pause)
        while !end.hasPassed && !Task.isCancelled {
            let generation = job.room.generation
            if job.isDraining { return }
            // Workers announce room all the time, so one wake-up is not the end.
            await job.room.wait(after: generation, until: end)
        }
    }
}

/// A source of tenants whose reading is retried.
struct RetryingPages: Sendable {
    let source: TenantSource
    let retry: PagingRetry

    func first(limit: Int) async throws(JobFailure) -> TenantSource.Page? {
        try await retry { () throws(JobFailure) in
            try await source.page(after: nil, limit: limit)
        }
    }

    /// The page after `cursor`; `nil` without a cursor. A value, because `async let` forgets the type
    /// of what is thrown.
    func page(
        after cursor: String?, limit: Int
    ) async -> Result<TenantSource.Page?, JobFailure> {
        guard let cursor else { return .success(nil) }
        do throws(JobFailure) {
            return .success(
                try await retry { () throws(JobFailure) in
                    try await source.page(after: cursor, limit: limit)
                })
        } catch {
            return .failure(error)
        }
    }

    func count() async throws(JobFailure) -> Int {
        try await retry { () throws(JobFailure) in try await source.count() }
    }
}

extension JobFailure: CustomStringConvertible {
    /// Tries of the registry before a job gives up: about two minutes.
    private static let registryAttempts = 15

    func isWorthRetrying(attempts: Int) -> Bool {
        switch self {
        case .registry(let error): error.isTemporary && attempts < JobFailure.registryAttempts
        case .status(let error): error.isTemporary
        }
    }

    package var description: String {
        switch self {
        case .registry(let error): "\(error)"
        case .status(let error): "\(error)"
        }
    }

    /// The job's `state_reason`.
    package var reason: String {
        switch self {
        case .registry: "registry_unavailable"
        case .status: "control_database_unavailable"
        }
    }
}
