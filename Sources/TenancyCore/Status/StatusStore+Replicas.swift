/// A daemon among those that share a control database.
public struct Replica: Sendable, Equatable {
    /// A UUID that is new with each start.
    public let id: String
    public let version: String
    /// A digest of the migrations that it has loaded: only daemons with the same ones work together.
    public var migrations: String
    public let startedAt: Timestamp

    public init(id: String, version: String, migrations: String, startedAt: Timestamp) {
        self.id = id
        self.version = version
        self.migrations = migrations
        self.startedAt = startedAt
    }
}

/// What a daemon learns when it renews its leases.
struct Beat: Sendable, Equatable {
    /// Those of its jobs that are still its own.
    var kept: Set<JobID> = []
    /// The other daemons that live and are not about to leave.
    var others: [Replica] = []
    /// Whether somebody asked another daemon to steer one of its jobs.
    var hasCommands = false
}

/// How many of a job's tenants one daemon may migrate at once.
struct JobShare: Sendable, Equatable {
    /// What the tables count for it; all daemons' add up to no more than the job's concurrency.
    let slots: Int
    /// What it may use: less than `slots` while it has to shrink.
    let limit: Int
    /// The job's state, and whether what runs is to be rolled back.
    let state: JobState
    let isInterrupted: Bool
    /// Tenants that run on other daemons.
    let runningElsewhere: Int
}

extension StatusStore {
    /// Renews the daemon's own lease and those of its jobs.
    func beat(
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
    func leave(_ replica: String, jobs: [JobID]) async throws(StatusError) {
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
    func share(
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

    func leaveShare(of job: JobID, replica: String) async throws(StatusError) {
        _ = try await run(
            """
            DELETE FROM \(table("job_shares")) WHERE job_id = $1::uuid AND replica = $2::uuid
            """, [job.description, replica])
    }

    // MARK: - Offers

    private var isOpenOffer: String { "is_offered AND worker IS NULL AND state = 'pending'" }

    /// Jobs that other daemons lead, with the same migrations, and that have tenants on offer.
    func jobsOnOffer(to replica: Replica) async throws(StatusError) -> [JobSnapshot] {
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
    struct TakenTenant: Sendable, Equatable {
        let name: TenantName
        let targetKey: Int64
        let fromRevisions: [String]?
        /// Whether a daemon that died had it in hand: what that one did may be found in the tenant.
        let wasTaken: Bool
    }

    /// Takes tenants on offer over from the daemon that leads the job.
    func takeOffers(
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
    func takenTenants(
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
    func returnOffers(
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
    func withdrawOffers(
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
    func ownAgain(
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
    func adoptElsewhere(
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
    func countElsewhere(
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
    func eventsElsewhere(
        of job: JobID, after number: Int64, limit: Int
    ) async throws(StatusError) -> (results: [(result: TenantResult, targetKey: Int64?)], last: Int64)
    {
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

    // MARK: - Commands

    /// Asks whoever leads a job to steer it, and notes who asked.
    func command(
        _ action: String, job: JobID, caller: Caller
    ) async throws(StatusError) -> Int64 {
        let rows = try await run(
            """
            WITH audit AS (
                INSERT INTO \(table("audit")) (at, actor, action, job_id, request_id, peer)
                VALUES (now(), $3, 'job.' || split_part($2, ' ', 1), $1::uuid, $4, $5)
            )
            INSERT INTO \(table("job_commands")) (job_id, action, asked_at)
            VALUES ($1::uuid, $2, now()) RETURNING id
            """, [job.description, action, caller.name, caller.requestID, caller.peer])
        return rows.first?[0].flatMap { Int64($0) } ?? 0
    }

    /// What came of a command: nil while nobody has carried it out.
    func answer(
        toCommand id: Int64
    ) async throws(StatusError) -> (refusedIn: JobState?, isDone: Bool)? {
        let rows = try await run(
            """
            SELECT refused_in, done_at IS NOT NULL FROM \(table("job_commands")) WHERE id = $1::bigint
            """, [String(id)])
        return rows.first.map { ($0[0].flatMap(JobState.init), $0[1] == "t") }
    }

    /// Commands for any of `jobs` that wait, oldest first.
    func openCommands(
        for jobs: [JobID]
    ) async throws(StatusError) -> [(id: Int64, job: JobID, action: String)] {
        let rows = try await run(
            """
            SELECT id, job_id, action FROM \(table("job_commands"))
            WHERE job_id = ANY($1::uuid[]) AND done_at IS NULL ORDER BY id LIMIT 100
            """, [SQLText.arrayParameter(jobs.map(\.description))])
        return rows.compactMap { row in
            guard let id = row[0].flatMap({ Int64($0) }), let job = row[1].flatMap(JobID.init),
                let action = row[2]
            else { return nil }
            return (id, job, action)
        }
    }

    func closeCommand(_ id: Int64, refusedIn state: JobState?) async throws(StatusError) {
        _ = try await run(
            """
            UPDATE \(table("job_commands")) SET done_at = now(), refused_in = $2
            WHERE id = $1::bigint AND done_at IS NULL
            """, [String(id), state?.rawValue])
    }

    /// Lets assistants know that what runs is to be rolled back.
    func noteInterruption(of job: JobID, lease: JobLease) async throws(StatusError) {
        _ = try await run(
            """
            UPDATE \(table("jobs")) SET is_interrupted = true
            WHERE id = $1::uuid AND lease_epoch = $2::bigint
            """, [job.description, String(lease.epoch)])
    }

    // MARK: - Waking others

    /// The channel of this control schema. A channel's name is an identifier, so it is kept short.
    var channel: String {
        "migrationd_" + Hex.encode(Digest.sha256(Array(schema.text.utf8))).prefix(16)
    }

    /// Wakes the other daemons. They look by themselves from time to time, so that a failure only
    /// costs time.
    func wakeOthers(_ word: WakeWord) async {
        _ = try? await run("SELECT pg_notify($1, $2)", [channel, word.text])
    }
}

/// What a daemon tells the others of.
enum WakeWord: Sendable, Equatable {
    /// A job has changed.
    case job(JobID)
    /// Tenants are on offer.
    case offer
    /// A job is to be steered, or was.
    case command
    /// Jobs are free to be taken.
    case jobs

    var text: String {
        switch self {
        case .job(let id): "job \(id)"
        case .offer: "offer"
        case .command: "command"
        case .jobs: "jobs"
        }
    }

    init?(_ text: String) {
        switch text {
        case "offer": self = .offer
        case "command": self = .command
        case "jobs": self = .jobs
        default:
            guard text.hasPrefix("job "), let id = JobID(String(text.dropFirst(4))) else {
                return nil
            }
            self = .job(id)
        }
    }
}
