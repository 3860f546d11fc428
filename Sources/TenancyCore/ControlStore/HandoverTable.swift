package import Engine
package import JobModel
internal import PostgresClient

/// A tenant that the leading replica of a job handed over, with its target and the rows that the job
/// has it start from.
package struct HandedOverTenant: Sendable, Equatable {
    package let name: TenantName
    package let targetKey: Int64
    package let fromRevisions: [String]?
    /// Whether a replica that died had it in hand: its traces may be found in the tenant.
    package let wasTaken: Bool
}

/// Tenants of a job that the leading replica publishes (`job_tenants.is_offered`), that other replicas
/// claim (`job_tenants.worker`), and that come back.
package struct HandoverTable: TableGroup {
    let pool: ControlPool

    private var isPublished: String { "is_offered AND worker IS NULL AND state = 'pending'" }

    /// Jobs that other replicas lead, with the same migrations, and that have published tenants.
    package func openJobs(for replica: Replica) async throws(StatusError) -> [JobSnapshot] {
        let rows = try await run(
            """
            SELECT \(JobRow.columns) FROM \(table("jobs")) AS j
            WHERE state = 'running' AND migrations = $1 AND lease_replica <> $2::uuid
                AND EXISTS (SELECT FROM \(table("job_tenants")) WHERE job_id = j.id
                    AND \(isPublished))
            ORDER BY id LIMIT 100
            """, [replica.migrations, replica.id])
        return try rows.read(JobRow.read)
    }

    /// Claims published tenants for `replica`.
    package func claim(
        of job: JobID, replica: String, limit: Int
    ) async throws(StatusError) -> [HandedOverTenant] {
        let rows = try await run(
            """
            \(pickingPublished(limit))
            UPDATE \(table("job_tenants")) AS t SET worker = $2::uuid FROM picked
            WHERE t.job_id = $1::uuid AND t.tenant_id = picked.tenant_id
            RETURNING \(HandedOverTenant.columns)
            """, [job.description, replica])
        return try rows.read(HandedOverTenant.read)
    }

    /// Tenants that the replica has claimed and that have not ended.
    package func claimed(
        of job: JobID, replica: String
    ) async throws(StatusError) -> [HandedOverTenant] {
        let rows = try await run(
            """
            SELECT \(HandedOverTenant.columns) FROM \(table("job_tenants")) AS t
            WHERE t.job_id = $1::uuid AND t.worker = $2::uuid
                AND t.state IN ('pending', 'running')
            """, [job.description, replica])
        return try rows.read(HandedOverTenant.read)
    }

    /// Materialized: a join could run a subquery anew for each row, and then take more than `limit`.
    private func pickingPublished(_ limit: Int?) -> String {
        """
        WITH picked AS MATERIALIZED (
            SELECT tenant_id FROM \(table("job_tenants"))
            WHERE job_id = $1::uuid AND \(isPublished)
            ORDER BY tenant_id LIMIT \(limit.map(String.init) ?? "ALL") FOR UPDATE SKIP LOCKED)
        """
    }

    /// Gives claimed tenants back to the replica that leads the job, for it alone.
    package func giveBack(
        _ tenantIDs: [String], of job: JobID, replica: String
    ) async throws(StatusError) {
        try await run(
            """
            UPDATE \(table("job_tenants")) SET worker = NULL, is_offered = false
            WHERE job_id = $1::uuid AND tenant_id = ANY($2::text[]) AND worker = $3::uuid
                AND state IN ('pending', 'running')
            """, [job.description, SQLText.arrayParameter(tenantIDs), replica])
    }

    /// The leading replica withdraws published tenants that nobody has claimed, all of them without a
    /// limit.
    package func withdraw(
        of job: JobID, lease: JobLease, limit: Int? = nil
    ) async throws(StatusError) {
        try await run(
            """
            \(pickingPublished(limit))
            UPDATE \(table("job_tenants")) AS t SET is_offered = false, epoch = $2::bigint
            FROM picked WHERE t.job_id = $1::uuid AND t.tenant_id = picked.tenant_id
                AND \(isLeased(job: 1, epoch: 2))
            """, [job.description, String(lease.epoch)])
    }

    /// Of the tenants `ids`, which had been published, those that are the leading replica's own again,
    /// and whether a replica that died had them. What dead replicas had in hand is published anew
    /// first.
    package func reclaim(
        _ ids: [String], job: JobID, lease: JobLease
    ) async throws(StatusError) -> [String: Bool] {
        let rows = try await run(
            """
            WITH abandoned AS (
                UPDATE \(table("job_tenants")) AS t SET worker = NULL, is_offered = true,
                    attempts = attempts + 1
                WHERE t.job_id = $1::uuid AND t.worker IS NOT NULL
                    AND t.state IN ('pending', 'running') AND NOT \(isAlive("t.worker"))
                    AND \(isLeased(job: 1, epoch: 3))
            )
            UPDATE \(table("job_tenants")) SET epoch = $3::bigint
            WHERE job_id = $1::uuid AND tenant_id = ANY($2::text[]) AND NOT is_offered
                AND worker IS NULL AND state = 'pending' AND \(isLeased(job: 1, epoch: 3))
            RETURNING tenant_id, attempts > 0 AS was_taken
            """,
            [job.description, SQLText.arrayParameter(ids), String(lease.epoch)])
        var own: [String: Bool] = [:]
        for row in rows {
            if let id = try row["tenant_id"] { own[id] = try row.isTrue("was_taken") }
        }
        return own
    }

    /// Of the tenants `ids`, those that have not ended and that were claimed under an earlier lease, or
    /// published under it. They stay where they are, and count for this lease from now on.
    package func adopt(
        _ ids: [String], job: JobID, lease: JobLease
    ) async throws(StatusError) -> Set<String> {
        let rows = try await run(
            """
            UPDATE \(table("job_tenants")) SET epoch = $3::bigint
            WHERE job_id = $1::uuid AND tenant_id = ANY($2::text[])
                AND state IN ('pending', 'running') AND (epoch < $3::bigint OR worker IS NOT NULL)
                AND \(isLeased(job: 1, epoch: 3))
            RETURNING tenant_id
            """, [job.description, SQLText.arrayParameter(ids), String(lease.epoch)])
        return Set(try rows.read { row throws(StatusError) in try row["tenant_id"] })
    }

    /// How many tenants live replicas have claimed under an earlier lease, besides `known`.
    package func countClaimed(
        of job: JobID, lease: JobLease, besides known: [String]
    ) async throws(StatusError) -> Int {
        let rows = try await run(
            """
            SELECT count(*) AS count FROM \(table("job_tenants"))
            WHERE job_id = $1::uuid AND epoch < $2::bigint AND state IN ('pending', 'running')
                AND worker IS NOT NULL AND \(isAlive("worker")) AND tenant_id <> ALL($3::text[])
            """, [job.description, String(lease.epoch), SQLText.arrayParameter(known)])
        return try rows.first?.integer("count") ?? 0
    }

    /// Results that other replicas recorded after the event `number`, and the newest number of all.
    package func results(
        of job: JobID, after number: Int64, limit: Int
    ) async throws(StatusError) -> (
        results: [(result: TenantResult, targetKey: Int64?)], last: Int64
    ) {
        let rows = try await run(
            """
            SELECT t.*, j.last_event FROM \(table("jobs")) AS j LEFT JOIN LATERAL (
                SELECT \(TenantResultRow.columns), event, target_key
                FROM \(table("job_tenants")) WHERE job_id = j.id AND event > $2::bigint
                    AND worker IS NOT NULL ORDER BY event LIMIT \(limit)) AS t ON true
            WHERE j.id = $1::uuid ORDER BY t.event
            """, [job.description, String(number)])
        var results: [(result: TenantResult, targetKey: Int64?)] = []
        var last = number
        for row in rows {
            guard let result = try TenantResultRow.read(row) else { continue }
            results.append((result, try row.bigInteger("target_key")))
            last = try row.bigInteger("event") ?? last
        }
        if results.count < limit, let newest = try rows.first?.bigInteger("last_event") {
            last = max(last, newest)
        }
        return (results, last)
    }
}

extension HandedOverTenant {
    /// What `read` reads, of the table as `t`.
    static let columns = [
        SelectedColumn("tenant_id", "t.tenant_id"), SelectedColumn("identifier", "t.identifier"),
        SelectedColumn("target_key", "t.target_key"),
        SelectedColumn("from_revisions", "array_to_json(t.from_revisions)"),
        SelectedColumn("was_taken", "t.attempts > 0"),
    ]

    static func read(_ row: Row) throws(StatusError) -> HandedOverTenant? {
        guard let id = try row["tenant_id"], let identifier = try row["identifier"],
            let key = try row.bigInteger("target_key")
        else { return nil }
        return HandedOverTenant(
            name: TenantName(id: id, identifier: identifier), targetKey: key,
            fromRevisions: try row.strings("from_revisions"),
            wasTaken: try row.isTrue("was_taken"))
    }
}
