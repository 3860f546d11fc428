internal import HTTPLite
internal import JobModel
internal import Support

/// The API's description (OpenAPI 3.1), made from the route table.
enum OpenAPI {
    /// The document. A daemon without tokens asks for none, and its description says so.
    static func document(requiresToken: Bool) -> JSONValue {
        var paths = JSONObject()
        for group in Routes.groups {
            for endpoint in group.endpoints {
                var item = paths[endpoint.path]?.objectValue ?? JSONObject()
                item[endpoint.method.name.lowercased()] = operation(
                    endpoint, tag: group.name, requiresToken: requiresToken)
                paths[endpoint.path] = .object(item)
            }
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "migrationd", "version": .string(Version.current),
                "description": "Migrates fleets of PostgreSQL tenants.",
                "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
            ],
            "servers": [["url": "/"]],
            "tags": .array(Routes.groups.map { ["name": .string($0.name)] }),
            "paths": .object(paths), "components": components,
        ]
    }

    private static func operation(
        _ endpoint: Endpoint, tag: String, requiresToken: Bool
    ) -> JSONValue {
        var members: JSONObject = [
            "operationId": .string(endpoint.name), "tags": [.string(tag)],
            "summary": .string(endpoint.summary),
        ]
        if let role = endpoint.access.role {
            members["description"] = .string("Needs the role \(role.rawValue).")
        }
        let isGuarded = requiresToken && endpoint.access != .open
        members["security"] = isGuarded ? [["bearer": []]] : []
        let parameters = parameters(endpoint)
        if !parameters.isEmpty { members["parameters"] = .array(parameters) }
        if let schema = endpoint.body.schema {
            members["requestBody"] = [
                "required": .bool(endpoint.body == .required(schema: schema)),
                "content": [MediaType.json.text: ["schema": Schema.named(schema)]],
            ]
        }
        members["responses"] = responses(endpoint)
        return .object(members)
    }

    private static func parameters(_ endpoint: Endpoint) -> [JSONValue] {
        let inPath = endpoint.path.split(separator: "/")
            .filter { $0.hasPrefix("{") }
            .map { pathParameter(String($0.dropFirst().dropLast()), path: endpoint.path) }
        let inQuery: [JSONValue] = endpoint.query.map { parameter in
            [
                "name": .string(parameter.name), "in": "query", "required": false,
                "description": .string(parameter.summary), "style": "form", "explode": false,
                "schema": Schema.parameter(parameter.kind),
            ]
        }
        let fields: [JSONValue] = endpoint.fields.map { field in
            [
                "name": .string(field.rawValue), "in": "header", "required": false,
                "description": .string(field.summary), "schema": field.schema,
            ]
        }
        return inPath + inQuery + fields
    }

    private static func pathParameter(_ name: String, path: String) -> JSONValue {
        let isJob = path.hasPrefix("/v1/jobs/")
        return [
            "name": .string(name), "in": "path", "required": true,
            "schema": isJob ? Schema.uuid : Schema.text(JobBounds.nameLength),
        ]
    }

    private static func responses(_ endpoint: Endpoint) -> JSONValue {
        var answers: [(status: Int, value: JSONValue)] = endpoint.answers.map {
            ($0.status, response($0))
        }
        for status in endpoint.refusalStatuses {
            answers.append((status, ["$ref": .string("#/components/responses/Problem\(status)")]))
        }
        answers.sort { $0.status < $1.status }
        return .object(JSONObject(uniqueMembers: answers.map { ("\($0.status)", $0.value) }))
    }

    private static func response(_ answer: AnswerContract) -> JSONValue {
        var members: JSONObject = [
            "description": .string(answer.summary),
            "headers": headers(answer.fields, optional: answer.optionalFields),
        ]
        if let schema = answer.schema {
            let contents = answer.mediaTypes.map { type -> (String, JSONValue) in
                // One item of the page a line: a text as far as JSON Schema can tell.
                (type.text, ["schema": type == .ndjson ? Schema.text : Schema.named(schema)])
            }
            members["content"] = .object(JSONObject(uniqueMembers: contents))
        }
        if answer.fields.contains(.location) { members["links"] = jobLinks }
        return .object(members)
    }

    /// From a job that was just started to the calls that take its id.
    private static let jobLinks: JSONValue = {
        let calls = Routes.endpoints.filter { $0.path.hasPrefix("/v1/jobs/{id}") }
        let links: [(String, JSONValue)] = calls.map { call in
            let id: JSONValue = ["id": "$response.body#/id"]
            return (call.name, ["operationId": .string(call.name), "parameters": id])
        }
        return .object(JSONObject(uniqueMembers: links))
    }()

    private static func headers(
        _ fields: [ResponseField], optional: [ResponseField] = []
    ) -> JSONValue {
        let all = [ResponseField.requestID] + fields
        let members =
            all.map { ($0.rawValue, $0.header(isRequired: true)) }
            + optional.map { ($0.rawValue, $0.header(isRequired: false)) }
        return .object(JSONObject(uniqueMembers: members))
    }

    private static var components: JSONValue {
        let statuses = Set(ProblemCode.allCases.map(\.status)).sorted()
        return [
            "securitySchemes": ["bearer": ["type": "http", "scheme": "bearer"]],
            "responses": .object(
                JSONObject(uniqueMembers: statuses.map { ("Problem\($0)", problem($0)) })),
            "schemas": .object(JSONObject(uniqueMembers: schemas)),
        ]
    }

    private static func problem(_ status: Int) -> JSONValue {
        let codes = ProblemCode.allCases.filter { $0.status == status }
        let lines = codes.map { "`\($0.rawValue)`: \($0.title)." }
        return [
            "description": .string(lines.joined(separator: " ")),
            "headers": headers(codes.first?.fields ?? []),
            "content": [MediaType.problem.text: ["schema": Schema.named("Problem")]],
        ]
    }
}

extension Endpoint {
    /// What the HTTP layer and the checks in front of every handler can answer with, and the
    /// call's own refusals.
    fileprivate var refusalStatuses: [Int] {
        var codes: [ProblemCode] = [
            .badRequest, .methodNotAllowed, .requestTimeout, .payloadTooLarge, .uriTooLong,
            .invalidRequest, .tooManyRequests, .headerFieldsTooLarge, .internal, .unavailable,
        ]
        if access != .open { codes += [.unauthorized, .forbidden] }
        if !mediaTypes.isEmpty { codes.append(.notAcceptable) }
        if body != .none { codes += [.unsupportedMediaType, .expectationFailed] }
        return Set((codes + refusals).map(\.status)).sorted()
    }
}

extension ProblemCode {
    /// The header fields that a problem of this code always carries.
    fileprivate var fields: [ResponseField] {
        switch self {
        case .unauthorized: [.authenticate]
        case .methodNotAllowed: [.allow]
        case .tooManyRequests, .unavailable: [.retryAfter]
        default: []
        }
    }
}

extension RequestField {
    fileprivate var summary: String {
        switch self {
        case .prefer: "`wait=N` waits up to N seconds, at most 300, for the job's end (RFC 7240)."
        case .ifNoneMatch: "A previous `ETag`: 304 if nothing has changed."
        case .idempotencyKey: "The same key with the same body returns the same job."
        case .lastEventID: "The id of the last event received; browsers send it."
        }
    }

    fileprivate var schema: JSONValue {
        switch self {
        case .prefer, .ifNoneMatch: Schema.text
        case .lastEventID: ["type": "string", "pattern": "^([0-9]{1,18}(-end)?)?$"]
        case .idempotencyKey:
            ["type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x20-\\x7E]*$"]
        }
    }
}

extension ResponseField {
    fileprivate func header(isRequired: Bool) -> JSONValue {
        [
            "required": .bool(isRequired), "description": .string(summary),
            "schema": self == .retryAfter ? Schema.count : Schema.text,
        ]
    }

    private var summary: String {
        switch self {
        case .requestID: "The caller's own id, or a new one; it is in the access log."
        case .location: "The job's URL."
        case .entityTag: "A weak entity tag of this state."
        case .preferenceApplied: "The wait that was granted."
        case .idempotencyReplayed: "`true` if an earlier request started the job."
        case .retryAfter: "Seconds to wait before a retry."
        case .allow: "The methods of this resource."
        case .authenticate: "How to authenticate (RFC 6750)."
        }
    }
}
