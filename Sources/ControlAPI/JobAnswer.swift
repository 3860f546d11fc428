internal import ControlStore
internal import HTTPLite
internal import JobModel
internal import Scheduler
internal import Support

/// How every call that starts a job answers.
enum JobAnswer {
    static let contracts = [
        AnswerContract(
            status: 202, summary: "The job is recorded, and running or queued.",
            schema: "Job", fields: [.location],
            optionalFields: [.idempotencyReplayed, .preferenceApplied]),
        AnswerContract(
            status: 200, summary: "The job ended within the wait requested in `Prefer`.",
            schema: "Job", fields: [.location],
            optionalFields: [.idempotencyReplayed, .preferenceApplied]),
    ]

    /// Submits a request under the caller's idempotency key and answers with its job.
    static func submit(
        _ request: JobRequest, _ call: APICall, _ services: Services
    ) async throws(Problem) -> HTTPResponse {
        if request.operation == .stamp { try call.require(.admin, to: "stamp") }
        let submission: Submission
        do throws(SubmissionError) {
            submission = try await services.scheduler.submit(
                request, caller: call.caller, idempotency: call.idempotency)
        } catch {
            throw Problem(error, ids: request.tenants.ids ?? [])
        }
        return await answer(submission, call, services)
    }

    /// `202` with the job, or `200` when the caller wants to wait and the job ends in that time.
    static func answer(
        _ submission: Submission, _ call: APICall, _ services: Services
    ) async -> HTTPResponse {
        var job = submission.job
        let wait = call.preferredWait
        if let wait, wait > 0, !job.state.isFinal {
            do throws(StatusError) {
                job =
                    try await services.scheduler.wait(
                        job.id, version: nil, timeout: .seconds(wait)) ?? job
            } catch {
                // The job is recorded all the same: 202 with what is known is the truth.
            }
        }
        let isDone = wait != nil && job.state.isFinal
        var response = call.json(
            job.json(now: services.clock.now), status: isDone ? .ok : .accepted)
        response.fields[ResponseField.location.rawValue] = "/v1/jobs/\(job.id)"
        if let wait {
            response.fields[ResponseField.preferenceApplied.rawValue] = "wait=\(wait)"
        }
        if submission.isReplay {
            response.fields[ResponseField.idempotencyReplayed.rawValue] = "true"
        }
        return response
    }
}

extension APICall {
    /// The key with a hash over what it must come with again: the address and the body's content,
    /// whatever the order of its members.
    var idempotency: IdempotencyKey? {
        idempotencyKey.map { key in
            let content = "\(http.method.name) \(http.path)\n\(body.canonical.renderedString())"
            return IdempotencyKey(
                key: key, bodyHash: Hex.encode(Digest.sha256(Array(content.utf8))))
        }
    }
}

extension JSONValue {
    /// The same value with the members of every object in the order of their names.
    fileprivate var canonical: JSONValue {
        switch self {
        case .null, .bool, .number, .string:
            return self
        case .array(let items):
            return .array(items.map(\.canonical))
        case .object(let object):
            let members = object.members.sorted {
                $0.key.utf8.lexicographicallyPrecedes($1.key.utf8)
            }
            return .object(
                JSONObject(uniqueMembers: members.map { ($0.key, $0.value.canonical) }))
        }
    }
}
