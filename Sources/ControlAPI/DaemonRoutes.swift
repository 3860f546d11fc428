internal import ControlStore
internal import Fleet
internal import HTTPLite
internal import JobModel
internal import Revisions
internal import Scheduler
internal import Support

/// The daemon itself: is it alive, is it ready, what is it.
enum DaemonRoutes {
    static let endpoints = [health, ready, info, metrics, description, index]

    static let health = Endpoint(
        method: .get, path: "/healthz", access: .open, name: "getHealth",
        summary: "The process responds.",
        answers: [AnswerContract(status: 200, summary: "It responds.", schema: "Health")]
    ) { call, _ in
        call.json(["status": "ok"])
    }

    static let ready = Endpoint(
        method: .get, path: "/readyz", access: .open, name: "getReadiness",
        summary:
            "Whether jobs can run: every check, with details for authenticated callers.",
        answers: [
            AnswerContract(status: 200, summary: "All checks pass.", schema: "Readiness")
        ]
    ) { call, services throws(Problem) in
        let checks = await services.readiness.checks()
        let failed = checks.filter { !$0.isReady }
        // The details name hosts, databases and roles.
        let rows = JSONValue.array(checks.map { $0.json(isDetailed: !call.isStranger) })
        guard failed.isEmpty else {
            let names = failed.map(\.name).joined(separator: ", ")
            var problem = Problem(unavailable: "Not ready: \(names).", retryAfter: 5)
            problem.extensions["checks"] = rows
            throw problem
        }
        return call.json(["status": "ready", "checks": rows])
    }

    static let info = Endpoint(
        method: .get, path: "/v1/info", access: .atLeast(.viewer), name: "getInfo",
        summary: "Version, uptime, migrations and replicas.",
        answers: [AnswerContract(status: 200, summary: "About the daemon.", schema: "Info")]
    ) { call, services throws(Problem) in
        let identity = services.identity
        let now = services.clock.now
        return call.json([
            "version": .string(Version.current),
            "build": .string(Version.build),
            "started_at": .string(identity.startedAt.description),
            "uptime_ms": JSONValue(now.milliseconds(since: identity.startedAt)),
            "migrations": services.library.loaded.json,
            "heads": JSONValue(services.library.loaded.set.graph.heads),
            "replica_id": .string(identity.replicaID),
            "other_replicas": JSONValue(await identity.otherReplicas()),
        ])
    }

    static let metrics = Endpoint(
        method: .get, path: "/metrics", access: .metrics, name: "getMetrics",
        summary: "Gauges and counters for Prometheus.",
        answers: [
            AnswerContract(
                status: 200, summary: "The text format, version 0.0.4.", schema: "Metrics",
                mediaTypes: [.metrics])
        ]
    ) { call, services in
        let families =
            ProcessMetrics.families(since: services.identity.startedAt)
            + (await services.scheduler.metrics()) + [services.failedTenants.metric]
        var response = HTTPResponse(
            status: .ok, body: .bytes(Array(MetricFamily.render(families).utf8)))
        response.fields["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
        return response
    }

    static let description = Endpoint(
        method: .get, path: "/openapi.json", access: .atLeast(.viewer), name: "getDescription",
        summary: "This API as an OpenAPI 3.1 document.", fields: [.ifNoneMatch],
        answers: AnswerContract.tagged("Description")
    ) { call, services in
        call.json(services.description.body, tag: services.description.tag)
    }

    static let index = Endpoint(
        method: .get, path: "/", access: .atLeast(.viewer), name: "getIndex",
        summary: "The entry points of the API.",
        answers: [AnswerContract(status: 200, summary: "Paths of the API.", schema: "Index")]
    ) { call, _ in
        let addresses = Routes.endpoints.filter { $0.method == .get && !$0.path.contains("{") }
        return call.json([
            "name": "migrationd", "version": .string(Version.current),
            "links": JSONValue(addresses.map(\.path)),
        ])
    }
}

extension ReadinessCheck {
    fileprivate func json(isDetailed: Bool) -> JSONValue {
        [
            "name": .string(name), "ready": .bool(isReady),
            "detail": isDetailed ? JSONValue(detail) : nil,
        ]
    }
}
