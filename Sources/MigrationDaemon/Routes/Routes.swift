internal import HTTPLite
internal import Logging
internal import TenancyCore

/// The table of all calls: the router and the API's description are made from it.
enum Routes {
    static let groups: [(name: String, endpoints: [Endpoint])] = [
        ("Jobs", JobRoutes.endpoints + SteeringRoutes.endpoints),
        ("Tenants", TenantRoutes.endpoints),
        ("Revisions", RevisionRoutes.endpoints),
        ("Daemon", DaemonRoutes.endpoints),
    ]

    static let endpoints = groups.flatMap(\.endpoints)

    /// The largest body that a call takes.
    static let maxBodyBytes = 1 << 20

    /// A router whose handlers check the request against its contract first, and answer with a
    /// problem document when something is wrong.
    static func router(_ services: Services, _ authenticator: Authenticator) -> Router {
        var router = Router()
        for endpoint in endpoints {
            let maxBodyBytes = endpoint.body == .none ? 0 : maxBodyBytes
            router.add(endpoint.method, endpoint.path, maxBodyBytes: maxBodyBytes) { request in
                do throws(Problem) {
                    let call = try APICall(request, endpoint, authenticator)
                    return try await endpoint.handle(call, services)
                } catch {
                    return error.response(instance: request.path, requestID: request.requestID)
                }
            }
        }
        return router
    }

    /// The problem document for what the HTTP layer itself refuses.
    static func response(to failure: HTTPFailure, requestID: String) -> HTTPResponse {
        Problem(failure).response(instance: failure.path, requestID: requestID)
    }
}

extension AnswerContract {
    /// `200` with an entity tag, and `304` for a caller who has it already.
    static func tagged(_ schema: String, or other: MediaType? = nil) -> [AnswerContract] {
        [
            AnswerContract(
                status: 200, summary: "What was asked for.", schema: schema,
                mediaTypes: [.json] + (other.map { [$0] } ?? []),
                fields: other == nil ? [.entityTag] : [],
                optionalFields: other == nil ? [] : [.entityTag]),
            AnswerContract(
                status: 304, summary: "The caller's copy is still the newest.",
                fields: [.entityTag]),
        ]
    }
}
