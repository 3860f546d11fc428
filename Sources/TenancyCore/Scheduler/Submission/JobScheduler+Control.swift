package import ControlStore
package import JobModel

/// What a job can be told to do.
enum JobCommand: Sendable, Equatable {
    case pause, resume
    case cancel(CancelMode)

    var event: JobMachine.Event {
        switch self {
        case .pause: .pauseAsked
        case .resume: .resumeAsked
        case .cancel: .cancelAsked
        }
    }

    /// The call's name.
    var name: String {
        switch self {
        case .pause: "pause"
        case .resume: "resume"
        case .cancel: "cancel"
        }
    }

    /// As `job_commands` has it.
    var text: String {
        if case .cancel(let mode) = self { return "cancel \(mode.rawValue)" }
        return name
    }

    init?(text: String) {
        switch text {
        case "pause": self = .pause
        case "resume": self = .resume
        default:
            guard text.hasPrefix("cancel "),
                let mode = CancelMode(rawValue: String(text.dropFirst(7)))
            else { return nil }
            self = .cancel(mode)
        }
    }
}

/// Pausing, resuming and cancelling jobs, wherever they are led.
extension JobScheduler {
    /// Lets running tenants end and starts no more.
    package func pause(_ id: JobID, caller: Caller) async throws(JobControlError) -> JobSnapshot {
        try await control(id, .pause, caller: caller)
    }

    /// Resumes a paused job.
    package func resume(_ id: JobID, caller: Caller) async throws(JobControlError) -> JobSnapshot {
        try await control(id, .resume, caller: caller)
    }

    /// Ends a job before its end; at once where `mode` says so.
    package func cancel(
        _ id: JobID, mode: CancelMode, caller: Caller
    ) async throws(JobControlError) -> JobSnapshot {
        try await control(id, .cancel(mode), caller: caller)
    }

    private func control(
        _ id: JobID, _ order: JobCommand, caller: Caller
    ) async throws(JobControlError) -> JobSnapshot {
        guard let active = live[id]?.job, !active.isDraining else {
            return try await forward(id, order, caller: caller)
        }
        do throws(StatusError) {
            // Noted before it is done: nothing is controlled that the audit does not know of.
            try await store.jobs.audit("job.\(order.name)", job: id, caller: caller)
        } catch {
            throw .store(error)
        }
        try await apply(order, to: active)
        return active.snapshot
    }

    /// Controls a job that runs here.
    func apply(_ order: JobCommand, to active: ActiveJob) async throws(JobControlError) {
        if active.handle(order.event) == .refuse {
            throw .conflict(action: order.name, state: active.snapshot.state)
        }
        do throws(StatusError) {
            if order == .cancel(.immediate) {
                active.interrupt()
                try await store.jobs.markInterrupted(active.id, lease: active.lease)
            }
            try await store.jobs.update(active.snapshot, lease: active.lease)
        } catch {
            throw .store(error)
        }
        await notifyReplicas(.job(active.id))
        // A job that was never started has no tenant to wait for.
        if active.isCancelling, active.snapshot.startedAt == nil,
            let index = waiting.firstIndex(of: active.id)
        {
            waiting.remove(at: index)
            // Not the caller's task: it would be gone with the caller, and the job has to end.
            await Task { await self.conclude(active) }.value
            live[active.id] = nil
        }
    }
}
