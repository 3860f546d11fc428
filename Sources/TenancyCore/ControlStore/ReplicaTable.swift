package import JobModel
internal import PostgresClient
package import Support
internal import Tenants

/// A daemon among those that share a control database.
package struct Replica: Sendable, Equatable {
    /// A UUID that is new with each start.
    package let id: String
    package let version: String
    /// A digest of the migrations that it has loaded: only replicas with the same ones work together.
    package var migrations: String
    package let startedAt: Timestamp

    package init(id: String, version: String, migrations: String, startedAt: Timestamp) {
        self.id = id
        self.version = version
        self.migrations = migrations
        self.startedAt = startedAt
    }
}

/// What a replica learns when it renews its leases.
package struct Heartbeat: Sendable, Equatable {
    /// Those of its jobs that are still its own.
    package var kept: Set<JobID> = []
    /// The other replicas that live and are not about to leave.
    package var peers: [Replica] = []
    /// Whether another replica was asked to control one of its jobs.
    package var hasCommands = false
}

/// How many of a job's tenants one replica may migrate at once.
package struct JobQuota: Sendable, Equatable {
    /// What the tables count for it; all replicas' add up to no more than the job's concurrency.
    package let slots: Int
    /// What it may use: less than `slots` while it has to shrink.
    package let limit: Int
    /// The job's state, and whether what runs is to be rolled back.
    package let state: JobState
    package let isInterrupted: Bool
    /// Tenants that run on other replicas.
    package let runningElsewhere: Int
}

/// The replicas (`replicas`), their leases on jobs (`jobs.lease_until`) and their quotas of them
/// (`job_shares`).
package struct ReplicaTable: TableGroup {
    let pool: ControlPool

    /// Renews the lease of a replica and those of its jobs.
    package func heartbeat(
        of replica: Replica, isDraining: Bool, jobs: [JobID], leaseDuration: Duration
    ) async throws(StatusError) -> Heartbeat {
        let rows = try await run(
            """
            WITH own AS (
                INSERT INTO \(table("replicas")) (id, version, migrations, started_at, lease_until,
                    is_draining)
                VALUES ($1::uuid, $2, $3, $4::timestamptz, now() + $5::interval, $6::boolean)
                ON CONFLICT (id) DO UPDATE SET migrations = excluded.migrations,
                    lease_until = excluded.lease_until, is_draining = excluded.is_draining
            ), gone AS (
                DELETE FROM \(table("replicas")) WHERE lease_until < now() - interval '1 hour'
            ), kept AS (
                UPDATE \(table("jobs")) SET lease_until = now() + $5::interval
                WHERE id = ANY($7::uuid[]) AND lease_replica = $1::uuid RETURNING id
            )
            SELECT 'job' AS kind, id::text AS id, NULL AS version, NULL AS migrations,
                NULL::bigint AS started_at FROM kept
            UNION ALL SELECT 'replica', id::text, version, migrations,
                (extract(epoch FROM started_at) * 1000)::bigint
            FROM \(table("replicas"))
            WHERE id <> $1::uuid AND lease_until > now() AND NOT is_draining
            UNION ALL SELECT 'command', NULL, NULL, NULL, NULL
            WHERE EXISTS (SELECT FROM \(table("job_commands"))
                WHERE job_id = ANY($7::uuid[]) AND done_at IS NULL)
            """,
            [
                replica.id, replica.version, replica.migrations, replica.startedAt.description,
                "\(leaseDuration.milliseconds) ms", isDraining ? "t" : "f",
                SQLText.arrayParameter(jobs.map(\.description)),
            ])
        var heartbeat = Heartbeat()
        for row in rows { try heartbeat.add(row) }
        heartbeat.peers.sort { $0.id < $1.id }
        return heartbeat
    }

    /// Ends the replica's part in everything: its leases, its quotas, the tenants that it has claimed
    /// and not begun on.
    package func leave(_ replica: String, jobs: [JobID]) async throws(StatusError) {
        try await run(
            """
            WITH returned AS (
                UPDATE \(table("job_tenants")) SET worker = NULL
                WHERE worker = $1::uuid AND state IN ('pending', 'running')
            ), shares AS (
                DELETE FROM \(table("job_shares")) WHERE replica = $1::uuid
            ), jobs AS (
                UPDATE \(table("jobs")) SET lease_until = now()
                WHERE id = ANY($2::uuid[]) AND lease_replica = $1::uuid
            )
            DELETE FROM \(table("replicas")) WHERE id = $1::uuid
            """, [replica, SQLText.arrayParameter(jobs.map(\.description))])
    }

    // MARK: - Notifications

    /// The channel of this control schema. A channel's name is an identifier, so it is kept short.
    package var channel: String {
        "migrationd_" + Hex.encode(Digest.sha256(Array(pool.schema.text.utf8))).prefix(16)
    }

    /// Notifies the other replicas. They look by themselves from time to time, so that a failure only
    /// costs time.
    package func notify(_ notification: ReplicaNotification) async {
        _ = try? await run("SELECT pg_notify($1, $2)", [channel, notification.text])
    }

    // MARK: - Quotas

    /// Says what a replica does of a job, and learns how much it may. Who has more than a fair share
    /// shrinks first, and only then do the others grow; so nobody has to be asked.
    ///
    /// - Returns: `nil` when the job has ended.
    package func quota(
        of job: JobID, replica: String, running: [String], inUse: Int
    ) async throws(StatusError) -> JobQuota? {
        let id = "\(SQLText.literal(job.description))::uuid"
        let local = "\(SQLText.literal(replica))::uuid"
        let shares = table("job_shares")
        // Each statement sees what was committed before it began, so the lock comes first.
        let answers = try await pool.execute(
            """
            BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
            SELECT pg_advisory_xact_lock(hashtextextended(\(SQLText.literal("share \(job)")), 0));
            WITH job AS (
                SELECT state, is_interrupted, (request ->> 'concurrency')::integer AS concurrency
                FROM \(table("jobs")) WHERE id = \(id) AND finished_at IS NULL
            ), peers AS (
                SELECT replica, slots, running FROM \(shares) AS s
                WHERE job_id = \(id) AND replica <> \(local) AND \(isAlive("s.replica"))
            ), place AS (
                SELECT count(*)::integer + 1 AS n,
                    count(*) FILTER (WHERE replica < \(local)) AS rank,
                    coalesce(sum(slots), 0)::integer AS taken,
                    coalesce(sum(cardinality(running)), 0)::integer AS running
                FROM peers
            ), fair AS (
                SELECT concurrency / n + (rank < concurrency % n)::integer AS slots FROM job, place
            ), own AS (
                INSERT INTO \(shares) (job_id, replica, slots, running)
                SELECT \(id), \(local),
                    greatest(\(inUse), least(fair.slots, concurrency - taken)),
                    \(SQLText.textArray(running))
                FROM job, place, fair
                ON CONFLICT (job_id, replica) DO UPDATE SET slots = excluded.slots,
                    running = excluded.running
                RETURNING slots
            )
            SELECT own.slots, fair.slots AS fair_slots, state, is_interrupted, place.running
            FROM own, fair, job, place;
            COMMIT
            """)
        // The last statement before COMMIT.
        return try answers.dropLast().last?.first.flatMap(JobQuota.read)
    }

    /// Gives up a replica's quota of a job.
    package func releaseQuota(of job: JobID, replica: String) async throws(StatusError) {
        try await run(
            """
            DELETE FROM \(table("job_shares")) WHERE job_id = $1::uuid AND replica = $2::uuid
            """, [job.description, replica])
    }
}

extension JobQuota {
    fileprivate static func read(_ row: Row) throws(StatusError) -> JobQuota? {
        guard let slots = try row.integer("slots"), let fair = try row.integer("fair_slots"),
            let state = try row.value("state", JobState.init)
        else { return nil }
        return JobQuota(
            slots: slots, limit: min(slots, fair), state: state,
            isInterrupted: try row.isTrue("is_interrupted"),
            runningElsewhere: try row.integer("running") ?? 0)
    }
}

extension Heartbeat {
    /// Takes in one of the kinds of rows that a heartbeat answers with.
    fileprivate mutating func add(_ row: Row) throws(StatusError) {
        switch try row["kind"] {
        case "job": if let id = try row.value("id", JobID.init) { kept.insert(id) }
        case "command": hasCommands = true
        default:
            guard let id = try row["id"], let version = try row["version"],
                let migrations = try row["migrations"],
                let startedAt = try row.timestamp("started_at")
            else { return }
            peers.append(
                Replica(id: id, version: version, migrations: migrations, startedAt: startedAt))
        }
    }
}
