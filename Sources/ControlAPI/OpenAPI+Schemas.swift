internal import Fleet
internal import JobModel
internal import Revisions
internal import Scheduler
internal import Support
internal import Tenants

extension OpenAPI {
    /// The schemas of all bodies by name.
    static let schemas: [(String, JSONValue)] = requests + jobs + tenants + revisions + daemon

    private static let requests: [(String, JSONValue)] = [
        (
            "JobRequest",
            Schema.request(
                required: ["operation": Schema.words(JobOperation.self)],
                optional: [
                    "target": Schema.target,
                    "tenants": Schema.named("TenantSelection"),
                    "concurrency": Schema.integer(JobBounds.concurrency),
                    "page_size": Schema.integer(JobBounds.pageSize),
                    "lock_timeout_ms": Schema.integer(JobBounds.timeoutMilliseconds),
                    "statement_timeout_ms": Schema.integer(JobBounds.timeoutMilliseconds),
                    "max_attempts": Schema.integer(JobBounds.maxAttempts),
                    "dry_run": Schema.words(DryRun.self), "allow_empty": Schema.flag,
                    "rollout": noRollout,
                    "comment": Schema.text(JobBounds.commentLength),
                ])
        ),
        (
            "TenantSelection",
            Schema.request(optional: [
                "ids": Schema.list(Schema.text(JobBounds.nameLength), JobBounds.idCount),
                "match": Schema.glob,
                "status": Schema.list(Schema.text(JobBounds.nameLength), JobBounds.statusCount),
                "isolation": Schema.words(Isolation.self), "metadata": Schema.anyObject,
                "behind_only": Schema.flag, "limit": Schema.integer(JobBounds.tenantLimit),
            ])
        ),
        (
            "TenantJobRequest",
            Schema.request(optional: [
                "target": Schema.target,
                "lock_timeout_ms": Schema.integer(JobBounds.timeoutMilliseconds),
                "statement_timeout_ms": Schema.integer(JobBounds.timeoutMilliseconds),
                "max_attempts": Schema.integer(JobBounds.maxAttempts),
                "dry_run": Schema.words(DryRun.self),
                "comment": Schema.text(JobBounds.commentLength),
            ])
        ),
        (
            "ResolveRequest",
            Schema.request(required: ["action": Schema.words(StepResolution.self)])
        ),
        ("CancelRequest", Schema.request(optional: ["mode": Schema.words(CancelMode.self)])),
        (
            "PlanRequest",
            [
                "oneOf": [
                    planRequest(["tenant": Schema.text(JobBounds.nameLength)]),
                    planRequest([
                        "current": Schema.list(Schema.text(JobBounds.targetLength), 0...1_000)
                    ]),
                ]
            ]
        ),
        ("Empty", Schema.request()),
    ]

    /// Waves belong to the contract but not to this version.
    private static let noRollout: JSONValue = ["type": "object", "maxProperties": 0]

    private static func planRequest(_ start: KeyValuePairs<String, JSONValue>) -> JSONValue {
        Schema.request(
            required: start,
            optional: [
                "operation": Schema.words(RevisionOperation.self),
                "target": Schema.target,
            ])
    }

    private static let revisionList = Schema.orNull(Schema.list(Schema.text))

    private static let jobs: [(String, JSONValue)] = [
        (
            "Job",
            Schema.answer([
                "id": Schema.uuid, "operation": Schema.words(JobOperation.self),
                "target": Schema.text, "resolved_target": revisionList,
                "state": Schema.words(JobState.self), "state_reason": Schema.orNull(Schema.text),
                "comment": Schema.orNull(Schema.text), "created_by": Schema.text,
                "created_at": Schema.time, "started_at": Schema.orNull(Schema.time),
                "finished_at": Schema.orNull(Schema.time), "request": Schema.named("JobRequest"),
                "counts": Schema.answer([
                    "total": Schema.count, "pending": Schema.count, "running": Schema.count,
                    "succeeded": Schema.count, "skipped": Schema.count, "failed": Schema.count,
                    "cancelled": Schema.count,
                ]),
                "wave": Schema.orNull(Schema.anyObject),
                "progress": ["type": "number", "minimum": 0, "maximum": 1],
                "tenants_per_second": Schema.orNull(Schema.number),
                "eta_ms": Schema.orNull(Schema.count),
                "first_errors": Schema.list(
                    Schema.answer([
                        "tenant_id": Schema.text, "identifier": Schema.text, "error": Schema.text,
                    ])),
                "holds": Schema.list(
                    Schema.answer([
                        "reason": Schema.words(JobHold.Reason.self), "since": Schema.time,
                        "detail": Schema.orNull(Schema.text),
                    ])),
                "retry_of": Schema.orNull(Schema.uuid), "version": Schema.count,
                "links": Schema.answer([
                    "self": Schema.text, "tenants": Schema.text,
                    "events": Schema.text, "cancel": Schema.text,
                    "pause": Schema.text, "resume": Schema.text, "retry": Schema.text,
                ]),
            ])
        ),
        ("JobPage", Schema.page(of: "Job")),
        ("JobEvent", event),
        ("TenantResult", Schema.answer(resultMembers)),
        ("TenantResultPage", Schema.page(of: "TenantResult")),
        ("TenantFailure", failure), ("TenantRetry", retry),
    ]

    /// One event of a stream. `data` is JSON: a TenantResult, a Job, or a reason to end early.
    private static let event: JSONValue = [
        "type": "object", "required": ["event", "data"],
        "properties": [
            "id": Schema.text,
            "event": Schema.words(["tenant", "job", "end", "slow", "shutdown"]),
            "data": Schema.text, "retry": Schema.count,
        ],
    ]

    private static let resultMembers: KeyValuePairs<String, JSONValue> = [
        "tenant_id": Schema.text, "identifier": Schema.text,
        "state": Schema.words(TenantState.self), "success": Schema.flag,
        "revision": Schema.orNull(Schema.text), "from_revisions": revisionList,
        "to_revisions": revisionList, "steps": Schema.count, "plan": revisionList,
        "attempts": Schema.count, "started_at": Schema.orNull(Schema.time),
        "finished_at": Schema.orNull(Schema.time), "duration_ms": Schema.orNull(Schema.count),
        "error": Schema.orNull(Schema.text),
        "error_detail": Schema.orNull(Schema.named("TenantFailure")),
        "last_retry": Schema.orNull(Schema.named("TenantRetry")),
        "progress": Schema.orNull(
            Schema.answer([
                "phase": Schema.text, "unit": Schema.text, "done": Schema.count,
                "total": Schema.count, "blocked_by": blockers,
            ])),
    ]

    private static let failure = Schema.answer(failureMembers)
    private static let retry = Schema.answer(["error": Schema.text], failureMembers)

    private static let blockers = Schema.list(
        Schema.answer([
            "pid": Schema.count, "query": Schema.text, "state": Schema.orNull(Schema.text),
            "application_name": Schema.orNull(Schema.text),
            "age_ms": Schema.orNull(Schema.count),
        ]))

    private static let failureMembers: KeyValuePairs<String, JSONValue> = [
        "code": Schema.text, "sqlstate": Schema.orNull(Schema.text),
        "revision": Schema.orNull(Schema.text), "statement": Schema.orNull(Schema.text),
        "file": Schema.orNull(Schema.text), "line": Schema.orNull(Schema.count),
        "retryable": Schema.flag, "hint": Schema.orNull(Schema.text),
        "blocked_by": blockers, "traceback": Schema.list(Schema.text),
    ]

    private static let tenants: [(String, JSONValue)] = [
        (
            "Tenant",
            Schema.answer([
                "tenant_id": Schema.text, "identifier": Schema.text,
                "name": Schema.orNull(Schema.text), "status": Schema.text,
                "placement": Schema.orNull(
                    Schema.answer([
                        "isolation": Schema.words(Isolation.self), "server": Schema.text,
                        "database": Schema.text, "schema": Schema.orNull(Schema.text),
                    ])),
                "placement_error": Schema.orNull(Schema.text), "revisions": revisionList,
                "behind": Schema.orNull(Schema.flag), "read_at": Schema.orNull(Schema.time),
                "last_result": Schema.orNull(Schema.named("LastResult")),
                "last_reading": Schema.orNull(Schema.named("LastResult")),
            ])
        ),
        (
            "LastResult",
            Schema.answer([
                "job_id": Schema.orNull(Schema.uuid),
                "operation": Schema.orNull(Schema.words(JobOperation.self)),
                "state": Schema.words(TenantState.self), "error": Schema.orNull(Schema.text),
                "finished_at": Schema.time,
            ])
        ),
        ("TenantPage", Schema.page(of: "Tenant")),
        (
            "TenantRevision",
            Schema.answer([
                "tenant_id": Schema.text, "identifier": Schema.text,
                "current": Schema.list(Schema.text), "heads": Schema.list(Schema.text),
                "is_head": Schema.flag, "pending": Schema.count, "read_at": Schema.time,
                "unfinished_step": Schema.orNull(Schema.named("UnfinishedStep")),
            ])
        ),
        (
            "UnfinishedStep",
            Schema.answer([
                "revision": Schema.text, "direction": Schema.words(Direction.self),
                "statement": Schema.text, "in_doubt": Schema.flag,
                "detail": Schema.orNull(Schema.text),
            ])
        ),
        (
            "HistoryEntry",
            [
                "allOf": [
                    Schema.answer([
                        "job_id": Schema.uuid, "operation": Schema.words(JobOperation.self),
                        "target": Schema.text, "dry_run": Schema.words(DryRun.self),
                    ]),
                    Schema.named("TenantResult"),
                ]
            ]
        ),
        ("HistoryPage", Schema.page(of: "HistoryEntry")),
        (
            "Fleet",
            Schema.answer([
                "as_of": Schema.time, "total": Schema.count, "heads": Schema.list(Schema.text),
                "by_status": Schema.counts, "by_revision": Schema.counts,
                "behind": Schema.count, "failed_last_time": Schema.count,
                "failed_last_reading": Schema.count, "never_read": Schema.count,
            ])
        ),
    ]

    private static let statements = Schema.list(
        Schema.answer(["sql": Schema.text, "line": Schema.orNull(Schema.count)]))

    private static let script = Schema.orNull(
        Schema.answer([
            "transactional": Schema.flag, "statements": statements,
            "variants": Schema.list(
                Schema.answer([
                    "first_server": Schema.count, "last_server": Schema.orNull(Schema.count),
                    "transactional": Schema.flag, "statements": statements,
                ])),
        ]))

    private static let revisions: [(String, JSONValue)] = [
        (
            "Revision",
            Schema.answer([
                "revision": Schema.text, "down_revisions": Schema.list(Schema.text),
                "depends_on": Schema.list(Schema.text),
                "branch_labels": Schema.list(Schema.text), "message": Schema.orNull(Schema.text),
                "is_head": Schema.flag, "is_base": Schema.flag, "transactional": Schema.flag,
                "engine": Schema.words(Revision.Engine.self),
                "python_reasons": Schema.answer([
                    "upgrade": Schema.orNull(Schema.text), "downgrade": Schema.orNull(Schema.text),
                ]),
                "checksum": Schema.text,
            ])
        ),
        ("RevisionPage", Schema.page(of: "Revision")),
        (
            "RevisionDetail",
            [
                "allOf": [
                    Schema.named("Revision"),
                    Schema.answer([
                        "file": Schema.orNull(Schema.text), "upgrade": script, "downgrade": script,
                    ]),
                ]
            ]
        ),
        (
            "Migrations",
            Schema.answer([
                "source": Schema.text, "revisions": Schema.count,
                "heads": Schema.list(Schema.text), "warnings": Schema.list(Schema.text),
                "loaded_at": Schema.time,
            ])
        ),
        (
            "Plan",
            Schema.answer([
                "operation": Schema.words(RevisionOperation.self), "target": Schema.text,
                "tenant_id": Schema.orNull(Schema.text), "identifier": Schema.orNull(Schema.text),
                "current": Schema.list(Schema.text),
                "steps": Schema.list(
                    Schema.answer([
                        "revision": Schema.text, "direction": Schema.words(Direction.self),
                        "delete_versions": Schema.list(Schema.text),
                        "insert_versions": Schema.list(Schema.text),
                        "update_version": Schema.orNull(Schema.list(Schema.text, 2...2)),
                        "message": Schema.orNull(Schema.text), "file": Schema.orNull(Schema.text),
                        "script": script,
                    ])),
                "result": Schema.list(Schema.text), "warnings": Schema.list(Schema.text),
            ])
        ),
    ]

    private static let checks = Schema.list(
        Schema.answer([
            "name": Schema.text, "ready": Schema.flag, "detail": Schema.orNull(Schema.text),
        ]))

    private static let daemon: [(String, JSONValue)] = [
        ("Metrics", Schema.text),
        ("Health", Schema.answer(["status": Schema.words(["ok"])])),
        ("Readiness", Schema.answer(["status": Schema.words(["ready"]), "checks": checks])),
        (
            "Info",
            Schema.answer([
                "version": Schema.text, "build": Schema.text, "started_at": Schema.time,
                "uptime_ms": Schema.count,
                "migrations": Schema.named("Migrations"),
                "heads": Schema.list(Schema.text), "replica_id": Schema.text,
                "other_replicas": Schema.list(Schema.text),
            ])
        ),
        (
            "Index",
            Schema.answer([
                "name": Schema.text, "version": Schema.text, "links": Schema.list(Schema.text),
            ])
        ),
        ("Description", Schema.anyObject),
        ("Problem", problem),
    ]

    /// RFC 9457. The last four members are there where they apply.
    private static let problem: JSONValue = {
        let always: KeyValuePairs<String, JSONValue> = [
            "type": Schema.text, "title": Schema.text, "status": Schema.integer(400...599),
            "detail": Schema.text, "instance": Schema.orNull(Schema.text),
            "code": Schema.words(ProblemCode.self), "request_id": Schema.text,
        ]
        let sometimes: KeyValuePairs<String, JSONValue> = [
            "errors": Schema.list(
                Schema.answer(["pointer": Schema.text, "detail": Schema.text])),
            "offset": Schema.count, "state": Schema.words(JobState.self), "checks": checks,
        ]
        let members = (Array(always) + Array(sometimes)).map { ($0.key, $0.value) }
        return [
            "type": "object", "required": JSONValue(always.map(\.key)),
            "properties": .object(JSONObject(uniqueMembers: members)),
        ]
    }()
}
