internal import Fleet
internal import HTTPLite
internal import JobModel
package import Revisions
package import Support
package import Tenants

/// The revision graph, and plans over it.
enum RevisionRoutes {
    static let endpoints = [list, show, reload, plan]

    static let list = Endpoint(
        method: .get, path: "/v1/revisions", access: .atLeast(.viewer), name: "listRevisions",
        summary: "The revisions in the order in which they were loaded.",
        query: [.limit, .cursor], fields: [.ifNoneMatch],
        answers: AnswerContract.tagged("RevisionPage")
    ) { call, services throws(Problem) in
        let graph = services.library.loaded.set.graph
        let cursor = Cursor(list: "revisions")
        var rest = graph.revisions[...]
        if let after = try cursor.position(call.query) {
            // After a reload the revision may be gone, and with it the place.
            guard let index = rest.firstIndex(where: { $0.id == after }) else {
                throw .foreignCursor
            }
            rest = rest[(index + 1)...]
        }
        let limit = call.query.limit
        let page = Page(Array(rest.prefix(limit + 1)), limit: limit)
        return call.page(
            page.rows.map { $0.json(in: graph) }, nextCursor: page.nextCursor(cursor) { $0.id })
    }

    static let show = Endpoint(
        method: .get, path: "/v1/revisions/{revision}", access: .atLeast(.viewer),
        name: "getRevision", summary: "One revision by its full id, with its SQL.",
        fields: [.ifNoneMatch], answers: AnswerContract.tagged("RevisionDetail"),
        refusals: [.notFound]
    ) { call, services throws(Problem) in
        let graph = services.library.loaded.set.graph
        let id = call.pathParameter("revision")
        guard let revision = graph[id] else {
            throw Problem(.notFound, "There is no revision \"\(id)\".")
        }
        let body = revision.detailedJSON(in: graph).rendered()
        return call.json(body, tag: EntityTag(value: Hash.hex(body)))
    }

    static let reload = Endpoint(
        method: .post, path: "/v1/revisions/reload", access: .atLeast(.operator),
        name: "reloadRevisions",
        summary:
            "Reloads the migrations. An invalid set is refused and the old one stays active.",
        body: .optional(schema: "Empty"),
        answers: [AnswerContract(status: 200, summary: "The migrations.", schema: "Migrations")],
        isHeavy: true
    ) { call, services throws(Problem) in
        try call.readEmpty()
        do throws(FolderError) {
            return call.json(try await services.library.reload().json)
        } catch {
            throw Problem(error)
        }
    }

    static let plan = Endpoint(
        method: .post, path: "/v1/plan", access: .atLeast(.viewer), name: "plan",
        summary:
            "The steps that an operation would take, from a tenant's current revision or from given "
            + "version rows. Nothing is changed.",
        body: .required(schema: "PlanRequest"),
        answers: [AnswerContract(status: 200, summary: "The plan.", schema: "Plan")],
        refusals: [.notFound]
    ) { call, services throws(Problem) in
        let question = try PlanQuestion(call)
        let graph = services.library.loaded.set.graph
        var tenant: Tenant?
        let current: [String]
        switch question.start {
        case .rows(let rows):
            current = rows
        case .tenant(let name):
            let located = try await TenantRoutes.locate(name, services)
            do throws(DirectoryError) {
                current = try await services.directory.readRevision(of: located).current
            } catch {
                throw Problem(error)
            }
            tenant = located.tenant
        }
        return call.json(try question.answer(graph, current: current, tenant: tenant))
    }
}

/// The body of `POST /v1/plan`.
package struct PlanQuestion: Sendable {
    /// Where the plan begins.
    package enum Start: Sendable, Equatable {
        case tenant(String)
        /// Version rows, in the order in which they would be read.
        case rows([String])
    }

    package let operation: RevisionOperation
    package let target: String
    package let start: Start

    init(_ call: APICall) throws(Problem) {
        self = try call.read(Self.read)
    }

    init(operation: RevisionOperation, target: String?, start: Start) {
        self.operation = operation
        self.target = target ?? Self.defaultTarget(operation)
        self.start = start
    }

    /// Reads the body; nil where something in it is wrong, which the reader then knows.
    package static func read(_ reader: inout ObjectReader) -> PlanQuestion? {
        let operation =
            reader.choice("operation", .nullable, of: RevisionOperation.self) ?? .upgrade
        let target = reader.string("target", .nullable, length: JobBounds.targetLength)
        let tenant = reader.string("tenant", .nullable, length: JobBounds.nameLength)
        let rows = reader.strings(
            "current", .nullable, count: 0...1_000, length: JobBounds.targetLength)
        switch (tenant, rows) {
        case (let tenant?, nil):
            return PlanQuestion(operation: operation, target: target, start: .tenant(tenant))
        case (nil, let rows?):
            return PlanQuestion(operation: operation, target: target, start: .rows(rows))
        case (nil, nil), (.some, .some):
            if reader.issues.isEmpty {
                reader.report(nil, "needs one of \"tenant\" and \"current\", and not both")
            }
            return nil
        }
    }

    /// What a plan without a target leads to.
    package static func defaultTarget(_ operation: RevisionOperation) -> String {
        switch operation {
        case .upgrade: JobOperation.upgrade.defaultTarget
        case .downgrade: JobOperation.downgrade.defaultTarget
        case .stamp: JobOperation.stamp.defaultTarget
        }
    }

    /// The plan from `current`, or the problem with it.
    package func answer(
        _ graph: RevisionGraph, current: [String], tenant: Tenant?
    ) throws(Problem) -> JSONValue {
        let plan: RevisionPlan
        do throws(RevisionError) {
            plan = try graph.plan(operation, to: target, from: current)
            if operation != .stamp { try graph.checkScripts(of: plan) }
        } catch {
            throw Problem(error, pointer: error.isAboutRows ? "/current" : "/target")
        }
        var members: JSONObject = [
            "operation": .string(operation.rawValue), "target": .string(target),
            "tenant_id": JSONValue(tenant?.id), "identifier": JSONValue(tenant?.identifier),
            "current": JSONValue(current),
        ]
        let planned = plan.json(in: graph, runsScripts: operation != .stamp)
        for member in planned.members { members[member.key] = member.value }
        members["warnings"] = JSONValue(plan.warnings)
        return .object(members)
    }
}

extension RevisionError {
    /// Whether the version rows are at fault rather than the target.
    fileprivate var isAboutRows: Bool {
        switch self {
        case .unknownVersionRow, .rowMissing, .rowAlreadyThere, .rowsUnclear: true
        default: false
        }
    }
}
