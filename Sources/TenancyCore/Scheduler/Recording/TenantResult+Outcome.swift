internal import Engine
internal import JobModel
internal import Support

extension TargetWork {
    /// How the target ends when its job is cancelled while it waits.
    var cancelledOutcome: TargetOutcome {
        guard var outcome = lastOutcome else { return .cancelledBeforeStart }
        let reason = outcome.failure.map { "; the last one failed: \($0.message)" } ?? ""
        outcome.state = .cancelled
        outcome.failure = TenantFailure(
            code: .job(.cancelled), message: "the job was cancelled before another attempt\(reason)"
        )
        return outcome
    }
}

extension TargetOutcome {
    static let cancelledBeforeStart = TargetOutcome(
        state: .cancelled,
        failure: TenantFailure(
            code: .job(.cancelled), message: "the job was cancelled before this tenant was started")
    )
}

extension TenantResult {
    /// What a target's outcome means for one of its tenants.
    init(
        _ tenant: TenantName, _ work: TargetWork?, _ outcome: TargetOutcome, finishedAt: Timestamp
    ) {
        self.init(tenantID: tenant.id, identifier: tenant.identifier, state: outcome.state)
        fromRevisions = outcome.fromRevisions ?? work?.state?.revisions
        toRevisions = outcome.toRevisions
        steps = outcome.steps
        plannedRevisions = outcome.plannedRevisions
        attempts = work?.attempts ?? 0
        startedAt = work?.startedAt ?? (outcome.state == .cancelled ? nil : finishedAt)
        self.finishedAt = finishedAt
        durationMilliseconds = startedAt.map { finishedAt.milliseconds(since: $0) }
        failure = outcome.failure
        lastRetry = work?.lastOutcome?.failure
    }
}
