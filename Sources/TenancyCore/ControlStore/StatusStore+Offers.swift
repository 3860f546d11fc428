package import Engine
package import JobModel
internal import PostgresClient

/// Tenants of a job that pass from the daemon that leads it to others, and back.
extension StatusStore {
    private var isOpenOffer: String { "is_offered AND worker IS NULL AND state = 'pending'" }

    /// Jobs that other daemons lead, with the same migrations, and that have tenants on offer.
    package func jobsOnOffer(to replica: Replica) async throws(StatusError) -> [JobSnapshot] {
        let rows = try await run(
            """
            SELECT \(JobRow.columns) FROM \(table("jobs")) AS j
            WHERE state = 'running' AND migrations = $1 AND lease_replica <> $2::uuid
                AND EXISTS (SELECT FROM \(table("job_tenants")) WHERE job_id = j.id
                    AND \(isOpenOffer))
            ORDER BY id LIMIT 100
            """, [replica.migrations, replica.id])
        return rows.compactMap(JobRow.read)
    }

    /// A tenant that was taken over, with its target and the rows that the job has it start from.
    package struct TakenTenant: Sendable, Equatable {
        package let name: TenantName
        package let targetKey: Int64
        package let fromRevisions: [String]?
        /// Whether a daemon that died had it in hand: what that one did may be found in the tenant.
        package let wasTaken: Bool
    }

    /// Takes tenants on offer over from the daemon that leads the job.
    package func takeOffers(
        of job: JobID, replica: String, limit: Int
    ) async throws(StatusError) -> [TakenTenant] {
        try await taken(
            """
            \(pickingOffers(limit))
            UPDATE \(table("job_tenants")) AS t SET worker = $2::uuid FROM picked
            WHERE t.job_id = $1::uuid AND t.tenant_id = picked.tenant_id
            RETURNING \(takenColumns)
            """, [job.description, replica])
    }

    /// Tenants that the daemon has taken over and that have not ended.
    package func takenTenants(
        of job: JobID, replica: String
    ) async throws(StatusError) -> [TakenTenant] {
        try await taken(
            """
            SELECT \(takenColumns) FROM \(table("job_tenants")) AS t
            WHERE t.job_id = $1::uuid AND t.worker = $2::uuid
                AND t.state IN ('pending', 'running')
            """, [job.description, replica])
    }

    private var takenColumns: String {
        "t.tenant_id, t.identifier, t.target_key, array_to_json(t.from_revisions), t.attempts > 0"
    }

    /// Materialized: a join could run a subquery anew for each row, and then take more than `limit`.
    private func pickingOffers(_ limit: Int?) -> String {
        """
        WITH picked AS MATERIALIZED (
            SELECT tenant_id FROM \(table("job_tenants"))
            WHERE job_id = $1::uuid AND \(isOpenOffer)
            ORDER BY tenant_id LIMIT \(limit.map(String.init) ?? "ALL") FOR UPDATE SKIP LOCKED)
        """
    }

    private func taken(
        _ sql: String, _ parameters: [String?]
    ) async throws(StatusError) -> [TakenTenant] {
        try await run(sql, parameters).compactMap { row in
            guard let id = row[0], let identifier = row[1], let key = row[2].flatMap({ Int64($0) })
            else { return nil }
            return TakenTenant(
                name: TenantName(id: id, identifier: identifier), targetKey: key,
                fromRevisions: row[3].flatMap(JobRow.readStrings), wasTaken: row[4] == "t")
        }
    }

    /// Gives tenants that were taken over back to the daemon that leads the job, for it alone.
    package func returnOffers(
        _ tenantIDs: [String], of job: JobID, replica: String
    ) async throws(StatusError) {
        _ = try await run(
            """
            UPDATE \(table("job_tenants")) SET worker = NULL, is_offered = false
            WHERE job_id = $1::uuid AND tenant_id = ANY($2::text[]) AND worker = $3::uuid
                AND state IN ('pending', 'running')
            """, [job.description, SQLText.arrayParameter(tenantIDs), replica])
    }

    /// The leading daemon takes offers back that nobody has taken, all of them without a limit.
    package func withdrawOffers(
        of job: JobID, lease: JobLease, limit: Int? = nil
    ) async throws(StatusError) {
        _ = try await run(
            """
            \(pickingOffers(limit))
            UPDATE \(table("job_tenants")) AS t SET is_offered = false, epoch = $2::bigint
            FROM picked WHERE t.job_id = $1::uuid AND t.tenant_id = picked.tenant_id
                AND \(isLeased(job: 1, epoch: 2))
            """, [job.description, String(lease.epoch)])
    }

    /// Of the tenants `ids`, which had been offered, those that are the leading daemon's own again,
    /// and whether a daemon that died had them. What dead daemons had in hand goes on offer anew
    /// first.
    package func ownAgain(
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
            RETURNING tenant_id, attempts > 0
            """,
            [job.description, SQLText.arrayParameter(ids), String(lease.epoch)])
        var own: [String: Bool] = [:]
        for row in rows { if let id = row[0] { own[id] = row[1] == "t" } }
        return own
    }

    /// Of the tenants `ids`, those that have not ended and that were taken over under an earlier lease,
    /// or are on offer from then. They stay where they are, and count for this lease from now on.
    package func adoptElsewhere(
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
        return Set(rows.compactMap { $0[0] })
    }

    /// How many tenants daemons that live have taken over under an earlier lease, besides `known`.
    package func countElsewhere(
        of job: JobID, lease: JobLease, besides known: [String]
    ) async throws(StatusError) -> Int {
        let rows = try await run(
            """
            SELECT count(*) FROM \(table("job_tenants"))
            WHERE job_id = $1::uuid AND epoch < $2::bigint AND state IN ('pending', 'running')
                AND worker IS NOT NULL AND \(isAlive("worker")) AND tenant_id <> ALL($3::text[])
            """, [job.description, String(lease.epoch), SQLText.arrayParameter(known)])
        return rows.first?[0].flatMap { Int($0) } ?? 0
    }

    /// Results that other daemons recorded after the event `number`, and the newest number of all.
    package func eventsElsewhere(
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
            let count = row.count
            guard let result = TenantResultRow.read(row) else { continue }
            results.append((result, row[count - 2].flatMap { Int64($0) }))
            last = row[count - 3].flatMap { Int64($0) } ?? last
        }
        if results.count < limit, let newest = rows.first?.last?.flatMap({ Int64($0) }) {
            last = max(last, newest)
        }
        return (results, last)
    }
}
