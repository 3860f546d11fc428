package import HTTPLite
internal import PostgresClient

/// The table of all calls: the router and the API's description are made from it.
package enum Routes {
    static let groups: [(name: String, endpoints: [Endpoint])] = [
        ("Jobs", JobRoutes.endpoints + EventRoutes.endpoints + JobControlRoutes.endpoints),
        ("Tenants", TenantRoutes.endpoints),
        ("Revisions", RevisionRoutes.endpoints),
        ("Daemon", DaemonRoutes.endpoints),
    ]

    static let endpoints = groups.flatMap(\.endpoints)

    /// How long a handler may take whose caller may be ready to wait.
    private static let waitTimeout = Duration.seconds(Preference.longestWait + 30)

    /// A body of more bytes is read beside the event loop: a smaller one is read in less time than
    /// the way to another thread and back takes.
    private static let smallBody = 16_384

    /// All calls behind one handler. Each request is checked against its contract first, and what
    /// is wrong is answered with a problem document. `limits` turn callers away before that.
    package static func handler(
        _ services: Services, _ authenticator: Authenticator, limits: [any HTTPMiddleware]
    ) -> any HTTPHandler {
        var router = Router()
        // Large bodies are read one at a time, and what their calls work out runs there, too: it
        // grows with the body.
        let bodyThread = ConnectionThread()
        for endpoint in endpoints {
            router.add(
                endpoint.method, endpoint.path, timeout: endpoint.mayWait ? waitTimeout : nil
            ) { request in
                do throws(Problem) {
                    let call = try APICall(request, endpoint, authenticator)
                    return try await withTaskExecutorPreference(
                        executor(endpoint, request, bodyThread)
                    ) { () async throws(Problem) in
                        var call = call
                        try call.readBody(endpoint.body)
                        return try await endpoint.handle(call, services)
                    }
                } catch {
                    return error.response(instance: request.path, requestID: request.requestID)
                }
            }
        }
        return router.wrapped(in: [RefusalPage()] + limits + [GzipMiddleware()])
    }

    /// What a call runs on; nil for the event loop's own thread.
    private static func executor(
        _ endpoint: Endpoint, _ request: HTTPRequest, _ bodyThread: ConnectionThread
    ) -> (any TaskExecutor)? {
        if endpoint.isHeavy { return globalConcurrentExecutor }
        return request.body.count > smallBody ? bodyThread : nil
    }

    /// The problem document for a request that could not be read.
    package static func response(to failure: HTTPFailure, requestID: String) -> HTTPResponse {
        Problem(failure).response(instance: nil, requestID: requestID)
    }
}

/// Answers what the router refuses, since it is here that the path is known.
private struct RefusalPage: HTTPMiddleware {
    func handle(_ request: HTTPRequest, next: any HTTPHandler) async throws -> HTTPResponse {
        do {
            return try await next.handle(request)
        } catch let failure as HTTPFailure {
            return Problem(failure).response(
                instance: request.path, requestID: request.requestID)
        }
    }
}

extension AnswerContract {
    /// `200` with an entity tag, and `304` for a caller who has it already.
    static func tagged(_ schema: String, or other: MediaType? = nil) -> [AnswerContract] {
        [
            AnswerContract(
                status: 200, summary: "The requested resource.", schema: schema,
                mediaTypes: [.json] + (other.map { [$0] } ?? []),
                fields: other == nil ? [.entityTag] : [],
                optionalFields: other == nil ? [] : [.entityTag]),
            AnswerContract(
                status: 304, summary: "The caller's copy is up to date.",
                fields: [.entityTag]),
        ]
    }
}
