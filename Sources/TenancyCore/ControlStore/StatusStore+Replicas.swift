package import JobModel
internal import PostgresClient
package import Support

/// A daemon among those that share a control database.
package struct Replica: Sendable, Equatable {
    /// A UUID that is new with each start.
    package let id: String
    package let version: String
    /// A digest of the migrations that it has loaded: only daemons with the same ones work together.
    package var migrations: String
    package let startedAt: Timestamp

    package init(id: String, version: String, migrations: String, startedAt: Timestamp) {
        self.id = id
        self.version = version
        self.migrations = migrations
        self.startedAt = startedAt
    }
}

/// What a daemon learns when it renews its leases.
package struct Beat: Sendable, Equatable {
    /// Those of its jobs that are still its own.
    package var kept: Set<JobID> = []
    /// The other daemons that live and are not about to leave.
    package var others: [Replica] = []
    /// Whether somebody asked another daemon to steer one of its jobs.
    package var hasCommands = false
}

/// How many of a job's tenants one daemon may migrate at once.
package struct JobShare: Sendable, Equatable {
    /// What the tables count for it; all daemons' add up to no more than the job's concurrency.
    package let slots: Int
    /// What it may use: less than `slots` while it has to shrink.
    package let limit: Int
    /// The job's state, and whether what runs is to be rolled back.
    package let state: JobState
    package let isInterrupted: Bool
    /// Tenants that run on other daemons.
    package let runningElsewhere: Int
}

extension StatusStore {
    /// Renews the daemon's own lease and those of its jobs.
    package func beat(
        _ me: Replica, isDraining: Bool, jobs: [JobID], term: Duration
    ) async throws(StatusError) -> Beat {
        let rows = try await run(
            """
            WITH me AS (
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
            SELECT 'job', id::text, NULL, NULL, NULL FROM kept
            UNION ALL SELECT 'replica', id::text, version, migrations,
                \(JobRow.milliseconds("started_at"))::text
            FROM \(table("replicas"))
            WHERE id <> $1::uuid AND lease_until > now() AND NOT is_draining
            UNION ALL SELECT 'command', NULL, NULL, NULL, NULL
            WHERE EXISTS (SELECT FROM \(table("job_commands"))
                WHERE job_id = ANY($7::uuid[]) AND done_at IS NULL)
            """,
            [
                me.id, me.version, me.migrations, me.startedAt.description,
                "\(term.milliseconds) ms", isDraining ? "t" : "f",
                SQLText.arrayParameter(jobs.map(\.description)),
            ])
        var beat = Beat()
        for row in rows {
            switch row[0] {
            case "job": if let id = row[1].flatMap(JobID.init) { beat.kept.insert(id) }
            case "command": beat.hasCommands = true
            default:
                guard let id = row[1], let version = row[2], let migrations = row[3],
                    let startedAt = JobRow.timestamp(row[4])
                else { continue }
                beat.others.append(
                    Replica(
                        id: id, version: version, migrations: migrations, startedAt: startedAt))
            }
        }
        beat.others.sort { $0.id < $1.id }
        return beat
    }

    /// Ends the daemon's part in everything: its leases, its shares, the tenants that it took over
    /// and has not begun on.
    package func leave(_ replica: String, jobs: [JobID]) async throws(StatusError) {
        _ = try await run(
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

    /// Whether the daemon named by an SQL expression lives.
    func isAlive(_ replica: String) -> String {
        """
        EXISTS (SELECT FROM \(table("replicas")) AS r WHERE r.id = \(replica) \
        AND r.lease_until > now())
        """
    }

    // MARK: - Shares

    /// Says what a daemon does of a job, and learns how much it may. Who has more than a fair share
    /// shrinks first, and only then do the others grow; so nobody has to be asked.
    ///
    /// - Returns: `nil` when the job has ended.
    package func share(
        _ job: JobID, replica: String, running: [String], inUse: Int
    ) async throws(StatusError) -> JobShare? {
        let id = "\(SQLText.literal(job.description))::uuid"
        let me = "\(SQLText.literal(replica))::uuid"
        let shares = table("job_shares")
        // Each statement sees what was committed before it began, so the lock comes first.
        let results = try await execute(
            """
            BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
            SELECT pg_advisory_xact_lock(hashtextextended(\(SQLText.literal("share \(job)")), 0));
            WITH job AS (
                SELECT state, is_interrupted, (request ->> 'concurrency')::integer AS concurrency
                FROM \(table("jobs")) WHERE id = \(id) AND finished_at IS NULL
            ), others AS (
                SELECT replica, slots, running FROM \(shares) AS s
                WHERE job_id = \(id) AND replica <> \(me) AND \(isAlive("s.replica"))
            ), place AS (
                SELECT count(*)::integer + 1 AS n,
                    count(*) FILTER (WHERE replica < \(me)) AS rank,
                    coalesce(sum(slots), 0)::integer AS taken,
                    coalesce(sum(cardinality(running)), 0)::integer AS running
                FROM others
            ), fair AS (
                SELECT concurrency / n + (rank < concurrency % n)::integer AS slots FROM job, place
            ), mine AS (
                INSERT INTO \(shares) (job_id, replica, slots, running)
                SELECT \(id), \(me),
                    greatest(\(inUse), least(fair.slots, concurrency - taken)),
                    \(SQLText.textArray(running))
                FROM job, place, fair
                ON CONFLICT (job_id, replica) DO UPDATE SET slots = excluded.slots,
                    running = excluded.running
                RETURNING slots
            )
            SELECT mine.slots, fair.slots, state, is_interrupted, place.running
            FROM mine, fair, job, place;
            COMMIT
            """)
        guard let row = results[2].rows.first, let slots = row[0].flatMap({ Int($0) }),
            let fair = row[1].flatMap({ Int($0) }), let state = row[2].flatMap(JobState.init)
        else { return nil }
        return JobShare(
            slots: slots, limit: min(slots, fair), state: state, isInterrupted: row[3] == "t",
            runningElsewhere: row[4].flatMap { Int($0) } ?? 0)
    }

    /// Gives up what a replica may have in hand of a job.
    package func leaveShare(of job: JobID, replica: String) async throws(StatusError) {
        _ = try await run(
            """
            DELETE FROM \(table("job_shares")) WHERE job_id = $1::uuid AND replica = $2::uuid
            """, [job.description, replica])
    }
}
