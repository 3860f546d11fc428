internal import ControlStore
internal import Fleet
internal import HTTPLite
internal import JobModel
internal import Revisions
internal import Support
internal import Tenants

/// The registry, and single tenants.
enum TenantRoutes {
    static let endpoints = [
        list, show, revision, history, upgrade, downgrade, resolve, fleet,
    ]

    static let status = QueryParameter(
        name: "status", kind: .texts,
        summary: "Only tenants with these registry statuses (comma-separated).")
    static let isolation = QueryParameter(
        name: "isolation", kind: .word(Isolation.allCases.map(\.rawValue)),
        summary: "Only tenants with this isolation.")
    static let match = QueryParameter(
        name: "match", kind: .glob,
        summary: "A glob for the identifier: `*` matches any text, `?` one character.")
    static let atRevision = QueryParameter(
        name: "revision", kind: .text(length: 1...255),
        summary: "Only tenants with this last known revision; `base` means none at all.")
    static let behind = QueryParameter(
        name: "behind", kind: .flag,
        summary: "Only tenants that are behind the heads, or (`false`) at them.")

    static let list = Endpoint(
        method: .get, path: "/v1/tenants", access: .atLeast(.viewer), name: "listTenants",
        summary: "The registry, ordered by id, with each tenant's last known revision.",
        query: [status, isolation, match, atRevision, behind, .limit, .cursor],
        fields: [.ifNoneMatch], answers: AnswerContract.tagged("TenantPage"), isHeavy: true
    ) { call, services throws(Problem) in
        let query = tenantQuery(call.query)
        let cursor = Cursor(list: "tenants?\(call.query.filter)")
        let after = try cursor.position(call.query)
        let limit = call.query.limit
        do throws(DirectoryError) {
            let entries = try await services.directory.list(query, limit: limit + 1, after: after)
            let page = Page(entries, limit: limit)
            let graph = services.library.loaded.set.graph
            return call.page(
                page.rows.map { $0.json(graph: graph) },
                nextCursor: page.nextCursor(cursor) { $0.tenant.id })
        } catch .registry(.refusedValue) where after != nil {
            // Only the position of a cursor is compared as the type that ids have.
            throw .foreignCursor
        } catch {
            throw Problem(error)
        }
    }

    private static func tenantQuery(_ query: QueryValues) -> TenantQuery {
        let statuses = query.list(status)?.map(TenantStatus.init(rawValue:))
        let isolation = query.text(isolation).flatMap(Isolation.init)
        let revision = query.text(atRevision)
        return TenantQuery(
            filter: RegistryFilter(
                match: query.glob(match), statuses: statuses.map(Set.init),
                isolations: isolation.map { [$0] }),
            revision: revision == "base" ? "" : revision, behind: query.flag(behind))
    }

    static let show = Endpoint(
        method: .get, path: "/v1/tenants/{id}", access: .atLeast(.viewer), name: "getTenant",
        summary:
            "One tenant by id or identifier: placement, last known revision and last result.",
        fields: [.ifNoneMatch], answers: AnswerContract.tagged("Tenant"), refusals: [.notFound]
    ) { call, services throws(Problem) in
        let name = call.pathParameter("id")
        let entry: TenantEntry?
        do throws(DirectoryError) {
            entry = try await services.directory.find(name)
        } catch {
            throw Problem(error)
        }
        guard let entry else { throw Problem(noTenant: name) }
        let body = entry.json(graph: services.library.loaded.set.graph).rendered()
        return call.json(body, tag: EntityTag(value: Hash.hex(body)))
    }

    static let revision = Endpoint(
        method: .get, path: "/v1/tenants/{id}/revision", access: .atLeast(.viewer),
        name: "getTenantRevision",
        summary: "The tenant's version rows, read from the tenant now.",
        answers: [
            AnswerContract(status: 200, summary: "The version rows.", schema: "TenantRevision")
        ],
        refusals: [.notFound]
    ) { call, services throws(Problem) in
        let located = try await locate(call, services)
        do throws(DirectoryError) {
            let revision = try await services.directory.readRevision(of: located)
            return call.json(revision.json(of: located.tenant))
        } catch {
            throw Problem(error)
        }
    }

    static let history = Endpoint(
        method: .get, path: "/v1/tenants/{id}/history", access: .atLeast(.viewer),
        name: "getTenantHistory", summary: "The tenant's results over all jobs, newest first.",
        query: [.limit, .cursor], fields: [.ifNoneMatch],
        answers: AnswerContract.tagged("HistoryPage"), refusals: [.notFound]
    ) { call, services throws(Problem) in
        let tenant = try await locate(call, services).tenant
        let cursor = Cursor(list: "tenants/\(tenant.id)/history")
        let before = try cursor.jobPosition(call.query)
        let limit = call.query.limit
        do throws(StatusError) {
            let entries = try await services.directory.history(
                of: tenant.id, limit: limit + 1, before: before)
            let page = Page(entries, limit: limit)
            return call.page(
                page.rows.map(\.json), nextCursor: page.nextCursor(cursor) { $0.job.description })
        } catch {
            throw Problem(error)
        }
    }

    static let upgrade = single(.upgrade, name: "upgradeTenant", summary: "Upgrades one tenant.")
    static let downgrade = single(
        .downgrade, name: "downgradeTenant", summary: "Downgrades one tenant.")

    static let resolve = Endpoint(
        method: .post, path: "/v1/tenants/{id}/resolve", access: .atLeast(.admin),
        name: "resolveTenant",
        summary:
            "Resolves a step that was begun but not finished, usually one in doubt: `resume` runs the "
            + "interrupted statement again, `mark_applied` marks the whole step as done, "
            + "`mark_not_applied` starts it over. Nothing runs until the next job.",
        body: .required(schema: "ResolveRequest"),
        answers: [
            AnswerContract(
                status: 200, summary: "The current state of the tenant.", schema: "TenantRevision")
        ],
        refusals: [.notFound, .conflict]
    ) { call, services throws(Problem) in
        let located = try await locate(call, services)
        let resolution = try call.read { reader in
            reader.choice("action", .required, of: StepResolution.self)
        }
        do throws(ResolutionError) {
            try await services.resolver.resolve(located, resolution, caller: call.caller)
        } catch {
            throw Problem(error)
        }
        do throws(DirectoryError) {
            let revision = try await services.directory.readRevision(of: located)
            return call.json(revision.json(of: located.tenant))
        } catch {
            throw Problem(error)
        }
    }

    static let fleet = Endpoint(
        method: .get, path: "/v1/fleet", access: .atLeast(.viewer), name: "getFleet",
        summary: "The number of tenants, by status and by last known revision.",
        answers: [AnswerContract(status: 200, summary: "The counts.", schema: "Fleet")],
        isHeavy: true
    ) { call, services throws(Problem) in
        do throws(DirectoryError) {
            return call.json(try await services.directory.fleet().json)
        } catch {
            throw Problem(error)
        }
    }

    /// A job of one tenant. Whoever names a tenant means it, whatever its status.
    private static func single(
        _ operation: JobOperation, name: String, summary: String
    ) -> Endpoint {
        Endpoint(
            method: .post, path: "/v1/tenants/{id}/\(operation.rawValue)",
            access: .atLeast(.operator), name: name,
            summary: "\(summary) The response is that of POST /v1/jobs.",
            fields: [.idempotencyKey, .prefer], body: .optional(schema: "TenantJobRequest"),
            answers: JobAnswer.contracts,
            refusals: [.notFound, .idempotencyMismatch, .tooManyRequests], mayWait: true
        ) { call, services throws(Problem) in
            let tenant = try await locate(call, services).tenant
            let selection = TenantSelection(ids: [tenant.id], status: [tenant.status.rawValue])
            let request: JobRequest
            do throws(FieldIssues) {
                request = try JobRequest.read(
                    call.body, operation: operation, tenants: selection,
                    defaults: services.jobDefaults)
            } catch {
                throw Problem(error)
            }
            return try await JobAnswer.submit(request, call, services)
        }
    }

    private static func locate(
        _ call: APICall, _ services: Services
    ) async throws(Problem) -> PlacedTenant {
        try await locate(call.pathParameter("id"), services)
    }

    static func locate(
        _ name: String, _ services: Services
    ) async throws(Problem) -> PlacedTenant {
        let located: PlacedTenant?
        do throws(DirectoryError) {
            located = try await services.directory.locate(name)
        } catch {
            throw Problem(error)
        }
        guard let located else { throw Problem(noTenant: name) }
        return located
    }
}
