internal import ControlStore
internal import JobModel
package import Support

extension JobSnapshot {
    /// The job as the API shows it; rates and the remaining time are those at `now`.
    package func json(now: Timestamp) -> JSONValue {
        let path = "/v1/jobs/\(id)"
        return [
            "id": .string(id.description), "operation": .string(request.operation.rawValue),
            "target": .string(request.target),
            "resolved_target": resolvedTarget.map { JSONValue($0) } ?? nil,
            "state": .string(state.rawValue), "state_reason": JSONValue(stateReason),
            "comment": JSONValue(request.comment), "created_by": .string(createdBy),
            "created_at": JSONValue(createdAt.description),
            "started_at": JSONValue(startedAt?.description),
            "finished_at": JSONValue(finishedAt?.description),
            "request": request.json, "counts": counts.json, "wave": nil,
            "progress": JSONValue(rounded(progress, 4)),
            "tenants_per_second": JSONValue(tenantsPerSecond(now: now).map { rounded($0, 1) }),
            "eta_ms": JSONValue(etaMilliseconds(now: now)),
            "first_errors": .array(firstErrors.map(\.json)),
            "holds": .array(holds.map(\.json)),
            "retry_of": JSONValue(retryOf?.description), "version": JSONValue(version),
            "links": [
                "self": .string(path), "tenants": .string("\(path)/tenants"),
                "events": .string("\(path)/events"),
                "cancel": .string("\(path)/cancel"), "pause": .string("\(path)/pause"),
                "resume": .string("\(path)/resume"), "retry": .string("\(path)/retry"),
            ],
        ]
    }

    /// Changes with every change of the job, but not with the time alone.
    var tag: EntityTag { EntityTag(value: "\(id)-\(version)") }
}

/// A number with so many decimals, so that an answer does not pretend to know more.
private func rounded(_ number: Double, _ decimals: Int) -> Double {
    let scale = decimals == 1 ? 10.0 : 10_000.0
    return (number * scale).rounded() / scale
}

extension JobCounts {
    fileprivate var json: JSONValue {
        [
            "total": JSONValue(total), "pending": JSONValue(pending),
            "running": JSONValue(running), "succeeded": JSONValue(succeeded),
            "skipped": JSONValue(skipped), "failed": JSONValue(failed),
            "cancelled": JSONValue(cancelled),
        ]
    }
}

extension JobHold {
    fileprivate var json: JSONValue {
        [
            "reason": .string(reason.rawValue), "since": .string(since.description),
            "detail": JSONValue(detail),
        ]
    }
}

extension JobFailureNote {
    fileprivate var json: JSONValue {
        [
            "tenant_id": .string(tenantID), "identifier": .string(identifier),
            "error": .string(error),
        ]
    }
}

extension TenantResult {
    package var json: JSONValue { .object(object) }

    /// The members, for lists that add some of their own.
    package var object: JSONObject {
        [
            "tenant_id": .string(tenantID), "identifier": .string(identifier),
            "state": .string(state.rawValue), "success": .bool(state.isSuccess),
            "revision": JSONValue(revision),
            "from_revisions": fromRevisions.map { JSONValue($0) } ?? nil,
            "to_revisions": toRevisions.map { JSONValue($0) } ?? nil,
            "steps": JSONValue(steps), "plan": plannedRevisions.map { JSONValue($0) } ?? nil,
            "attempts": JSONValue(attempts), "started_at": JSONValue(startedAt?.description),
            "finished_at": JSONValue(finishedAt?.description),
            "duration_ms": JSONValue(durationMilliseconds), "error": JSONValue(failure?.message),
            "error_detail": failure?.json ?? nil,
            "last_retry": lastRetry.map(TenantResult.retryJSON) ?? nil,
            "progress": progress?.json ?? nil,
        ]
    }

    private static func retryJSON(_ failure: TenantFailure) -> JSONValue {
        var members: JSONObject = ["error": .string(failure.message)]
        for member in failure.json.objectValue?.members ?? [] { members[member.key] = member.value }
        return .object(members)
    }
}

extension StatementProgress {
    fileprivate var json: JSONValue {
        [
            "phase": .string(phase), "unit": .string(unit), "done": JSONValue(done),
            "total": JSONValue(total), "blocked_by": .array(blockedBy.map(\.json)),
        ]
    }
}
