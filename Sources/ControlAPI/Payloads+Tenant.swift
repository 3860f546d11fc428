internal import ControlStore
internal import Engine
internal import Fleet
internal import JobModel
internal import PostgresClient
package import Revisions
package import Support
package import Tenants

extension TenantEntry {
    /// The tenant as the API shows it: where it lives, never how to log in there.
    package func json(graph: RevisionGraph) -> JSONValue {
        [
            "tenant_id": .string(tenant.id), "identifier": .string(tenant.identifier),
            "name": JSONValue(tenant.name), "status": .string(tenant.status.rawValue),
            "placement": placementJSON, "placement_error": placementError,
            "revisions": status?.revisions.map { JSONValue($0) } ?? nil,
            "behind": JSONValue(status?.revisions.map { graph.isBehind(rows: $0) }),
            "read_at": JSONValue(status?.readAt?.description),
            "last_result": status?.last.migration?.json ?? .null,
            "last_reading": status?.last.reading?.json ?? .null,
        ]
    }

    private var placementJSON: JSONValue {
        guard case .success(let placement) = placement else { return nil }
        let target = placement.target
        return [
            "isolation": .string(placement.isolation.rawValue),
            "server": .string(target.connection.serverKey),
            "database": .string(target.connection.database),
            "schema": JSONValue(target.schema?.text),
        ]
    }

    private var placementError: JSONValue {
        guard case .failure(let error) = placement else { return nil }
        return .string("\(error)")
    }
}

extension LastResult {
    fileprivate var json: JSONValue {
        [
            "job_id": JSONValue(job?.description), "operation": JSONValue(operation?.rawValue),
            "state": .string(state.rawValue), "error": JSONValue(error),
            "finished_at": .string(finishedAt.description),
        ]
    }
}

extension LiveRevision {
    /// As the API shows what was read of a tenant.
    package func json(of tenant: Tenant) -> JSONValue {
        [
            "tenant_id": .string(tenant.id), "identifier": .string(tenant.identifier),
            "current": JSONValue(current), "heads": JSONValue(heads), "is_head": .bool(isHead),
            "pending": JSONValue(pending), "read_at": .string(readAt.description),
            "unfinished_step": unfinished?.json ?? .null,
        ]
    }
}

extension UnfinishedStep {
    fileprivate var json: JSONValue {
        [
            "revision": .string(revision), "direction": .string(direction.rawValue),
            "statement": .string(statement), "in_doubt": .bool(doubt != nil),
            "detail": JSONValue(doubt),
        ]
    }
}

extension HistoryEntry {
    package var json: JSONValue {
        var members: JSONObject = [
            "job_id": .string(job.description), "operation": .string(operation.rawValue),
            "target": .string(target), "dry_run": .string(dryRun.rawValue),
        ]
        for member in result.object.members { members[member.key] = member.value }
        return .object(members)
    }
}

extension FleetSummary {
    /// Counts in the order of their names; `base` stands for tenants without a revision.
    package var json: JSONValue {
        [
            "as_of": .string(asOf.description), "total": JSONValue(total),
            "heads": JSONValue(heads), "by_status": Self.counts(byStatus),
            "by_revision": Self.counts(byRevision, emptyKey: "base"), "behind": JSONValue(behind),
            "failed_last_time": JSONValue(failedLastTime),
            "failed_last_reading": JSONValue(failedLastReading), "never_read": JSONValue(neverRead),
        ]
    }

    private static func counts(_ counts: [String: Int], emptyKey: String = "") -> JSONValue {
        let members = counts.sorted { $0.key < $1.key }.map { key, count in
            (key.isEmpty ? emptyKey : key, JSONValue(count))
        }
        return .object(JSONObject(uniqueMembers: members))
    }
}
