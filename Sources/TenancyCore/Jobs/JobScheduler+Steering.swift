/// Pausing, resuming and cancelling the jobs that live here.
extension JobScheduler {
    public func pause(_ id: JobID, caller: Caller) async throws(SteeringError) -> JobSnapshot {
        try await steer(id, .pauseAsked, action: "pause", caller: caller).snapshot
    }

    public func resume(_ id: JobID, caller: Caller) async throws(SteeringError) -> JobSnapshot {
        try await steer(id, .resumeAsked, action: "resume", caller: caller).snapshot
    }

    public func cancel(
        _ id: JobID, mode: CancelMode, caller: Caller
    ) async throws(SteeringError) -> JobSnapshot {
        let run = try await steer(id, .cancelAsked, action: "cancel", caller: caller)
        if mode == .immediate { run.interrupt() }
        // A job that was never started has no tenant to wait for.
        if run.snapshot.startedAt == nil, let index = waiting.firstIndex(of: id) {
            waiting.remove(at: index)
            // Not the caller's task: it would be gone with the caller, and the job has to end.
            await Task { await self.conclude(run) }.value
            live[id] = nil
        }
        return run.snapshot
    }

    private func steer(
        _ id: JobID, _ event: JobMachine.Event, action: String, caller: Caller
    ) async throws(SteeringError) -> JobRun {
        guard let run = live[id]?.run else { throw await whyNotHere(id, action: action) }
        do throws(StatusError) {
            // Noted before it is done: nothing is steered that the audit does not know of.
            try await environment.store.audit("job.\(action)", job: id, caller: caller)
        } catch {
            throw .store(error)
        }
        if run.handle(event) == .refuse {
            throw .conflict(action: action, state: run.snapshot.state)
        }
        do throws(StatusError) {
            try await environment.store.update(run.snapshot, lease: run.lease)
        } catch {
            throw .store(error)
        }
        return run
    }

    private func whyNotHere(_ id: JobID, action: String) async -> SteeringError {
        do throws(StatusError) {
            guard let job = try await environment.store.job(id) else { return .jobNotFound(id) }
            return job.state.isFinal ? .conflict(action: action, state: job.state) : .elsewhere
        } catch {
            return .store(error)
        }
    }
}
