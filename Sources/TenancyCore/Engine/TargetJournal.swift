internal import JobModel
internal import Revisions
internal import Support
internal import Tenants

/// The journal as one attempt uses it: for one target.
final class TargetJournal {
    private let journal: any StepJournal
    private let target: Target
    private let tenants: [TenantName]
    /// Whether it may have an unfinished step of the target: it had one when the page was read, or this
    /// attempt has written one.
    private(set) var mayHaveStep: Bool

    init(_ journal: any StepJournal, target: Target, tenants: [TenantName], mayHaveStep: Bool) {
        self.journal = journal
        self.target = target
        self.tenants = tenants
        self.mayHaveStep = mayHaveStep
    }

    /// `planned` as the journal has it, or at its beginning.
    ///
    /// - Throws: when what the journal has keeps the step from being run.
    func resume(
        _ planned: PlannedStep, rows: [String], digests: [String]
    ) async throws(AttemptStop) -> UnfinishedStep {
        let found: UnfinishedStep?
        do throws(TenantFailure) {
            found = try await journal.find(target)
        } catch {
            throw .failed(error)
        }
        guard let found else { return UnfinishedStep(planned, from: rows) }
        switch found.finding(rows: rows, next: planned, digests: digests) {
        case .resume: return found
        case .obsolete: return UnfinishedStep(planned, from: rows)
        case .inDoubt: throw .failed(.inDoubt(found))
        case .inTheWay: throw .failed(.inTheWay(found))
        case .edited: throw .failed(.edited(found))
        }
    }

    func write(_ step: UnfinishedStep) async throws(AttemptStop) {
        mayHaveStep = true
        do throws(TenantFailure) {
            try await journal.write(step, of: target, tenants: tenants)
        } catch {
            throw .failed(error)
        }
    }

    /// Writes a step in place of taking the target's lock: only one job has it in the journal.
    func acquire(_ step: UnfinishedStep) async throws(AttemptStop) {
        do throws(TenantFailure) {
            try await journal.write(step, of: target, tenants: tenants)
            mayHaveStep = true
        } catch {
            throw .failed(error)
        }
    }

    /// Writes although this task is cancelled.
    func writeCancelled(_ step: UnfinishedStep) async throws(AttemptStop) {
        mayHaveStep = true
        let (journal, target, tenants) = (journal, target, tenants)
        // This task's own queries would be cancelled, too.
        let writing = Task { () async -> TenantFailure? in
            do throws(TenantFailure) {
                try await journal.write(step, of: target, tenants: tenants)
                return nil
            } catch {
                return error
            }
        }
        if let error = await writing.value { throw .failed(error) }
    }

    /// Writes while a program runs, beside this task: as soon as the first of `steps` comes.
    ///
    /// - Returns: `body`'s result.
    func writing<R: Sendable>(
        firstOf steps: AsyncStream<UnfinishedStep>, while body: () async -> R
    ) async -> R {
        let (journal, target, tenants) = (journal, target, tenants)
        async let isWritten = TargetJournal.writeFirst(of: steps) {
            (step) async throws(TenantFailure) in
            try await journal.write(step, of: target, tenants: tenants)
        }
        let result = await body()
        if await isWritten { mayHaveStep = true }
        return result
    }

    private static func writeFirst(
        of steps: AsyncStream<UnfinishedStep>,
        write: @Sendable (UnfinishedStep) async throws(TenantFailure) -> Void
    ) async -> Bool {
        for await step in steps {
            do throws(TenantFailure) {
                try await write(step)
                return true
            } catch {
                continue  // With the next one.
            }
        }
        return false
    }

    /// Removes the target's step: its version row tells of it now.
    func remove() async throws(TenantFailure) {
        try await journal.remove(target)
        mayHaveStep = false
    }

    /// Removes a step that the rows show as finished: by a daemon that died before it could, or while the
    /// control database was unavailable, which is waited for a little. One that stays behind is found
    /// obsolete by the rows later.
    func removeIfObsolete(rows: [String]) async {
        guard mayHaveStep else { return }
        let deadline = Deadline.after(.seconds(5))
        while true {
            do throws(TenantFailure) {
                guard let step = try await journal.find(target),
                    step.finding(rows: rows, next: nil, digests: []) == .obsolete
                else { return }
                return try await journal.remove(target)
            } catch {
                if !error.isRetryable || deadline.hasPassed { return }
            }
            guard (try? await Task.sleep(for: .milliseconds(200))) != nil else { return }
        }
    }

    /// Takes the only place to build an index in the target's database. A short build of another target
    /// is waited for here; for a long one the worker turns to other targets.
    func acquireBuildPlace(for step: UnfinishedStep) async throws(AttemptStop) {
        let deadline = Deadline.after(.seconds(2))
        var backoff = Backoff(from: .milliseconds(5), upTo: .milliseconds(100))
        while true {
            do throws(TenantFailure) {
                if try await journal.acquireBuildPlace(target) { return }
            } catch {
                throw .failed(error)
            }
            if deadline.hasPassed { throw .postponed(.waitsForBuild(step)) }
            do {
                try await Task.sleep(for: backoff.next(jitter: .random(in: 0.5...1)))
            } catch {
                throw .cancelled
            }
        }
    }

    func releaseBuildPlace() async {
        // Else it is free when the step's job has ended.
        try? await journal.releaseBuildPlace(target)
    }
}

extension TenantFailure {
    static func inDoubt(_ step: UnfinishedStep) -> TenantFailure {
        TenantFailure(
            code: .step(.inDoubt),
            message:
                "revision \(step.revision) was interrupted midway: \(step.doubt ?? "")",
            revision: step.revision, statement: step.statement,
            hint: "look at the tenant, then POST /v1/tenants/{id}/resolve: resume runs the "
                + "statement again (of a step in Python: the whole step), mark_applied and "
                + "mark_not_applied resolve the whole step")
    }

    fileprivate static func inTheWay(_ step: UnfinishedStep) -> TenantFailure {
        TenantFailure(
            code: .step(.unfinished),
            message: "revision \(step.revision) was started and is not finished",
            revision: step.revision, statement: step.statement,
            hint: "resume it first, or resolve it by POST /v1/tenants/{id}/resolve")
    }

    fileprivate static func edited(_ step: UnfinishedStep) -> TenantFailure {
        TenantFailure(
            code: .step(.edited),
            message: "statements of revision \(step.revision) that have already run were changed",
            revision: step.revision, statement: step.statement,
            hint: "restore them; only the statement that failed and those after it may be corrected"
        )
    }

    fileprivate static func waitsForBuild(_ step: UnfinishedStep) -> TenantFailure {
        TenantFailure(
            code: .step(.indexBuildWaits),
            message: "another index is being built in the tenant's database",
            revision: step.revision, statement: step.statement, isRetryable: true,
            hint: "one is built at a time; the tenant is retried by itself")
    }
}
