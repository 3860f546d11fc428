internal import ControlStore
internal import HTTPLite
package import JobModel
internal import Scheduler
internal import Support

/// Starting, listing and reading jobs.
enum JobRoutes {
    static let endpoints = [create, list, show, tenants]

    static let state = QueryParameter(
        name: "state", kind: .words(JobState.allCases.map(\.rawValue)),
        summary: "Only jobs in these states (comma-separated).")
    static let operation = QueryParameter(
        name: "operation", kind: .words(JobOperation.allCases.map(\.rawValue)),
        summary: "Only jobs with these operations (comma-separated).")
    static let wait = QueryParameter(
        name: "wait", kind: .integer(0...Preference.longestWait),
        summary: "Seconds to wait for a change from `version` or, without it, for the end."
    )
    static let version = QueryParameter(
        name: "version", kind: .integer(0...Int.max), summary: "The `version` known to the caller.")
    static let tenantState = QueryParameter(
        name: "state", kind: .words(TenantState.allCases.map(\.rawValue)),
        summary: "Only tenants in these states (comma-separated).")

    static let create = Endpoint(
        method: .post, path: "/v1/jobs", access: .atLeast(.operator), name: "createJob",
        summary: "Starts a job. `stamp` needs the role admin.",
        fields: [.idempotencyKey, .prefer], body: .required(schema: "JobRequest"),
        answers: JobAnswer.contracts, refusals: [.idempotencyMismatch, .tooManyRequests],
        mayWait: true
    ) { call, services throws(Problem) in
        let request: JobRequest
        do throws(FieldIssues) {
            request = try JobRequest.read(call.body, defaults: services.jobDefaults)
        } catch {
            throw Problem(error)
        }
        return try await JobAnswer.submit(request, call, services)
    }

    static let list = Endpoint(
        method: .get, path: "/v1/jobs", access: .atLeast(.viewer), name: "listJobs",
        summary: "Jobs, newest first.", query: [state, operation, .limit, .cursor],
        fields: [.ifNoneMatch], answers: AnswerContract.tagged("JobPage")
    ) { call, services throws(Problem) in
        let cursor = Cursor(list: "jobs?\(call.query.filter)")
        let before = try cursor.jobPosition(call.query)
        let filter = JobFilter(
            states: call.query.list(state)?.compactMap(JobState.init) ?? [],
            operations: call.query.list(operation)?.compactMap(JobOperation.init) ?? [])
        let limit = call.query.limit
        let page: Page<JobSnapshot>
        do throws(StatusError) {
            let jobs = try await services.scheduler.jobs(filter, limit: limit + 1, before: before)
            page = Page(jobs, limit: limit)
        } catch {
            throw Problem(error)
        }
        let now = services.clock.now
        let next = page.nextCursor(cursor) { $0.id.description }
        // The jobs' own tags: their rates would make every answer a new one.
        let tags = page.rows.map(\.tag.value) + [next ?? ""]
        let items = page.rows.map { $0.json(now: now) }
        return call.json(
            ["items": .array(items), "next_cursor": JSONValue(next)],
            tag: EntityTag(value: Hash.hex(tags.joined(separator: " "))))
    }

    static let show = Endpoint(
        method: .get, path: "/v1/jobs/{id}", access: .atLeast(.viewer), name: "getJob",
        summary: "One job; with `wait` the response is delayed until it has changed.",
        query: [wait, version], fields: [.ifNoneMatch], answers: AnswerContract.tagged("Job"),
        refusals: [.notFound], mayWait: true
    ) { call, services throws(Problem) in
        let id = try call.jobID()
        guard let wait = call.query.integer(wait), wait > 0 else {
            let job = try await services.job(id)
            return call.json(job.json(now: services.clock.now), tag: job.tag)
        }
        let job: JobSnapshot?
        do throws(StatusError) {
            job = try await services.scheduler.wait(
                id, version: call.query.integer(version), timeout: .seconds(wait))
        } catch {
            throw Problem(error)
        }
        guard let job else { throw Problem(noJob: id.description) }
        return call.json(job.json(now: services.clock.now), tag: job.tag)
    }

    static let tenants = Endpoint(
        method: .get, path: "/v1/jobs/{id}/tenants", access: .atLeast(.viewer),
        name: "listJobTenants",
        summary:
            "The tenants' results, ordered by id. As NDJSON all of them are streamed, one per line, "
            + "and `limit` and `cursor` are ignored.",
        query: [tenantState, .limit, .cursor], fields: [.ifNoneMatch],
        answers: AnswerContract.tagged("TenantResultPage", or: .ndjson), refusals: [.notFound]
    ) { call, services throws(Problem) in
        let id = try call.jobID()
        let states = call.query.list(tenantState)?.compactMap(TenantState.init) ?? []
        _ = try await services.job(id)
        if call.mediaType == .ndjson { return stream(id, states, services.scheduler) }
        let cursor = Cursor(list: "jobs/\(id)/tenants?\(call.query.filter)")
        let after = try cursor.position(call.query)
        let limit = call.query.limit
        do throws(StatusError) {
            let results = try await services.scheduler.results(
                id, states: states, limit: limit + 1, after: after)
            let page = Page(results, limit: limit)
            return call.page(
                page.rows.map(\.json), nextCursor: page.nextCursor(cursor) { $0.tenantID })
        } catch {
            throw Problem(error)
        }
    }

    /// Rows read at once for a stream; each is at most a few kilobytes.
    private static let streamedRows = 500

    /// All results, read page by page as the client takes them. A failure of the control database
    /// on the way cuts the answer short, which the client sees as a body without its end.
    private static func stream(
        _ id: JobID, _ states: [TenantState], _ scheduler: JobScheduler
    ) -> HTTPResponse {
        let body = HTTPBody.stream { writer in
            var after: String?
            repeat {
                let results = try await scheduler.results(
                    id, states: states, limit: streamedRows, after: after)
                var lines: [UInt8] = []
                for result in results {
                    lines += result.json.rendered()
                    lines.append(UInt8(ascii: "\n"))
                }
                if !lines.isEmpty { try await writer.write(lines) }
                after = results.count == streamedRows ? results.last?.tenantID : nil
            } while after != nil
        }
        return HTTPResponse(
            status: .ok, fields: ["Content-Type": MediaType.ndjson.text], body: body)
    }
}

extension Services {
    /// The job of that id.
    package func job(_ id: JobID) async throws(Problem) -> JobSnapshot {
        let job: JobSnapshot?
        do throws(StatusError) {
            job = try await scheduler.snapshot(id)
        } catch {
            throw Problem(error)
        }
        guard let job else { throw Problem(noJob: id.description) }
        return job
    }
}

extension Cursor {
    /// The position of a cursor over jobs.
    func jobPosition(_ query: QueryValues) throws(Problem) -> JobID? {
        guard let text = try position(query) else { return nil }
        guard let id = JobID(text) else { throw .foreignCursor }
        return id
    }
}
