internal import HTTPLite
internal import JobModel
internal import Scheduler
internal import Support

/// Pausing, resuming, cancelling and retrying a job.
enum JobControlRoutes {
    static let endpoints = [pause, resume, cancel, retry]

    private static let answers = [
        AnswerContract(status: 200, summary: "The current state of the job.", schema: "Job")
    ]

    static let pause = Endpoint(
        method: .post, path: "/v1/jobs/{id}/pause", access: .atLeast(.operator), name: "pauseJob",
        summary: "No further tenant starts; running ones finish.",
        body: .optional(schema: "Empty"), answers: answers, refusals: [.notFound, .conflict]
    ) { call, services throws(Problem) in
        try await control(call, services) { id throws(JobControlError) in
            try await services.scheduler.pause(id, caller: call.caller)
        }
    }

    static let resume = Endpoint(
        method: .post, path: "/v1/jobs/{id}/resume", access: .atLeast(.operator),
        name: "resumeJob", summary: "Resumes a paused job.",
        body: .optional(schema: "Empty"), answers: answers, refusals: [.notFound, .conflict]
    ) { call, services throws(Problem) in
        try await control(call, services) { id throws(JobControlError) in
            try await services.scheduler.resume(id, caller: call.caller)
        }
    }

    static let cancel = Endpoint(
        method: .post, path: "/v1/jobs/{id}/cancel", access: .atLeast(.operator),
        name: "cancelJob",
        summary:
            "No further tenant starts; running ones finish (`graceful`, the default) or are cancelled "
            + "and rolled back (`immediate`).",
        body: .optional(schema: "CancelRequest"), answers: answers,
        refusals: [.notFound, .conflict]
    ) { call, services throws(Problem) in
        let mode = try call.read { reader in
            reader.choice("mode", .nullable, of: CancelMode.self) ?? .graceful
        }
        return try await answer(call, services) { id throws(JobControlError) in
            try await services.scheduler.cancel(id, mode: mode, caller: call.caller)
        }
    }

    static let retry = Endpoint(
        method: .post, path: "/v1/jobs/{id}/retry", access: .atLeast(.operator), name: "retryJob",
        summary: "A new job for this job's failed and cancelled tenants, with the same options.",
        fields: [.idempotencyKey, .prefer], body: .optional(schema: "Empty"),
        answers: JobAnswer.contracts,
        refusals: [.notFound, .conflict, .idempotencyMismatch, .tooManyRequests], mayWait: true
    ) { call, services throws(Problem) in
        try call.readEmpty()
        let id = try call.jobID()
        // What only an admin may start only an admin may start again.
        if try await services.job(id).request.operation == .stamp {
            try call.require(.admin, to: "stamp")
        }
        let submission: Submission
        do throws(SubmissionError) {
            submission = try await services.scheduler.retry(
                id, caller: call.caller, idempotency: call.idempotency)
        } catch {
            throw Problem(error)
        }
        return await JobAnswer.answer(submission, call, services)
    }

    private static func control(
        _ call: APICall, _ services: Services,
        _ action: (JobID) async throws(JobControlError) -> JobSnapshot
    ) async throws(Problem) -> HTTPResponse {
        try call.readEmpty()
        return try await answer(call, services, action)
    }

    private static func answer(
        _ call: APICall, _ services: Services,
        _ action: (JobID) async throws(JobControlError) -> JobSnapshot
    ) async throws(Problem) -> HTTPResponse {
        let id = try call.jobID()
        do throws(JobControlError) {
            return call.json(try await action(id).json(now: services.clock.now))
        } catch {
            throw Problem(error)
        }
    }
}

extension APICall {
    /// Reads the body, an object, with all that is wrong with it at once.
    package func read<Result>(
        _ body: (inout ObjectReader) -> Result?
    ) throws(Problem) -> Result {
        do throws(FieldIssues) {
            return try ObjectReader.read(self.body, body)
        } catch {
            throw Problem(error)
        }
    }

    /// Refuses a body with members, for a call that has no options.
    func readEmpty() throws(Problem) {
        _ = try read { _ in true }
    }
}
