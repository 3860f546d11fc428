package import JobModel
package import PostgresClient
package import Support
package import Tenants

/// The control database cannot be used.
package struct StatusError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What went wrong, for people; never credentials.
    package let description: String
    /// Whether asking again later may help.
    package let isTemporary: Bool
    package let sqlState: String?

    /// Whether the database cannot hold a value that it was given.
    package var isAboutValue: Bool { sqlState.map(SQLState.isDataException) ?? false }

    /// Another daemon has the job now.
    static let leaseLost = StatusError(
        description: "another daemon has taken the job over", isTemporary: false)

    /// The control database lost the job.
    static let jobGone = StatusError(
        description: "the control database does not have the job any more", isTemporary: true)

    private init(description: String, isTemporary: Bool) {
        self.description = description
        self.isTemporary = isTemporary
        sqlState = nil
    }

    /// Whether what a control database answers may be another answer later: beside what may pass
    /// anywhere, want of room or memory, and trouble with its disk (manual, classes 53 and 58).
    private static func passes(_ state: String) -> Bool {
        SQLState.isRetryable(state) || state.hasPrefix("53") || state.hasPrefix("58")
    }

    /// Whether the tables, or the schema that holds them, are not there.
    var isUnprepared: Bool {
        sqlState == SQLState.undefinedTable || sqlState == SQLState.invalidSchemaName
    }

    init(_ error: PostgresError) {
        sqlState = error.sqlState
        switch error {
        case .server(let server):
            description = "the control database refused a statement: \(server.message)"
            isTemporary = StatusError.passes(server.sqlState)
        case .connectFailed, .connectionLost, .deadlinePassed, .cancelled:
            description = "the control database cannot be reached: \(error)"
            isTemporary = true
        }
    }
}

/// Who asked for something, as the audit table records it.
package struct Caller: Sendable, Equatable {
    package let name: String
    package let requestID: String
    /// The address that the request came from.
    package let peer: String

    package init(name: String, requestID: String, peer: String) {
        self.name = name
        self.requestID = requestID
        self.peer = peer
    }
}

/// A caller's own name for a request, so that sending it twice starts one job.
package struct IdempotencyKey: Sendable, Equatable {
    package let key: String
    /// A digest of the request's meaning: the same key with another one is refused.
    package let bodyHash: String

    package init(key: String, bodyHash: String) {
        self.key = key
        self.bodyHash = bodyHash
    }
}

/// Which jobs a list holds; an empty member demands nothing.
package struct JobFilter: Sendable, Equatable {
    package var states: [JobState]
    package var operations: [JobOperation]

    package init(states: [JobState] = [], operations: [JobOperation] = []) {
        self.states = states
        self.operations = operations
    }
}

/// Reads and writes the control database. Every write may be repeated without harm.
///
/// The tables are copies: a tenant's revision is what its own rows say.
package struct StatusStore: Sendable {
    /// A control database that does not answer in this time counts as unreachable.
    private static let patience = Duration.seconds(30)
    /// How long an idempotency key is remembered.
    private static let keyLifetime = "48 hours"

    let pool: ConnectionPool
    package let schema: SchemaName
    package let clock: WallClock
    package let metrics: Metrics?
    private let lostTables = Signal()

    package init(
        pool: ConnectionPool, schema: SchemaName, clock: WallClock = .system,
        metrics: Metrics? = nil
    ) {
        self.pool = pool
        self.schema = schema
        self.clock = clock
        self.metrics = metrics
    }

    /// Creates the tables or brings them up to this release.
    ///
    /// - Returns: how many steps were applied.
    package func prepare() async throws(StatusError) -> Int {
        try await translated { () throws(PostgresError) in
            try await pool.withConnection { connection throws(PostgresError) in
                try await ControlSchema.prepare(schema, on: connection)
            }
        }
    }

    /// Which release of the tables `prepare` brings them to.
    package static var schemaVersion: Int { ControlSchema.steps.count }

    /// Throws unless the database answers and its tables are there.
    package func ping() async throws(StatusError) {
        _ = try await run("SELECT version FROM \(table("schema_version"))")
    }

    /// How often the tables were found missing: those of a control database that was recreated are to
    /// be prepared again.
    package var timesUnprepared: Int { lostTables.generation }

    /// Waits until the tables are found missing once more than `seen` times, or the task ends.
    package func waitUntilUnprepared(after seen: Int) async {
        await lostTables.wait(after: seen)
    }

    // MARK: - Jobs

    /// What came of `insert`.
    package enum Insertion: Equatable {
        case inserted
        /// The key was used before, for this job and with the same body.
        case replay(JobID)
        case mismatch
    }

    /// Records a new job, its key and who asked for it, in one transaction.
    package func insert(
        _ job: JobSnapshot, key: IdempotencyKey?, caller: Caller, lease: JobLease, term: Duration,
        migrations: String
    ) async throws(StatusError) -> Insertion {
        let parameters = [
            key?.key, key?.bodyHash ?? "", JobRow(job, lease: lease).json.renderedString(),
            job.id.description, caller.name, caller.requestID, caller.peer,
            "\(term.milliseconds) ms", migrations,
        ]
        while true {
            let rows = try await run(insertion, parameters)
            // Another request with the same key was recorded while this one looked: it is there now.
            guard let row = rows.first, let id = row[0].flatMap(JobID.init) else { continue }
            // Its own row, when it is sent again since the first answer was lost.
            if id == job.id { return .inserted }
            return row[1] == "t" ? .replay(id) : .mismatch
        }
    }

    /// What `insert` would answer under a key that was used before; `nil` when it is new.
    package func insertion(earlierUnder key: IdempotencyKey) async throws(StatusError) -> Insertion?
    {
        let rows = try await run(
            """
            SELECT job_id, body_hash = $2 FROM \(table("idempotency_keys"))
            WHERE key = $1 AND created_at >= now() - interval '\(StatusStore.keyLifetime)'
            """,
            [key.key, key.bodyHash])
        guard let row = rows.first, let id = row[0].flatMap(JobID.init) else { return nil }
        return row[1] == "t" ? .replay(id) : .mismatch
    }

    /// Answers with the job that has the key, or with none when another request takes the key at the
    /// same moment; the job is recorded only where the key is its own.
    private var insertion: String {
        let isExpired = "created_at < now() - interval '\(StatusStore.keyLifetime)'"
        return """
            WITH expired AS (
                DELETE FROM \(table("idempotency_keys")) WHERE key IN (
                    SELECT key FROM \(table("idempotency_keys"))
                    WHERE \(isExpired) AND key IS DISTINCT FROM $1
                    LIMIT 1000 FOR UPDATE SKIP LOCKED)
            ), used AS (
                SELECT job_id, body_hash FROM \(table("idempotency_keys"))
                WHERE key = $1 AND NOT \(isExpired)
            ), key AS (
                INSERT INTO \(table("idempotency_keys")) AS k (key, body_hash, job_id, created_at)
                SELECT $1, $2, $4::uuid, now() WHERE $1 IS NOT NULL
                    AND NOT EXISTS (SELECT FROM used)
                ON CONFLICT (key) DO UPDATE SET body_hash = excluded.body_hash,
                    job_id = excluded.job_id, created_at = excluded.created_at WHERE k.\(isExpired)
                RETURNING job_id
            ), job AS (
                INSERT INTO \(table("jobs")) (\(JobRow.names))
                SELECT \(JobRow.names) FROM
                    jsonb_populate_record(NULL::\(table("jobs")), $3::jsonb || jsonb_build_object(
                        'lease_until', now() + $8::interval, 'migrations', $9::text)) AS r
                WHERE $1 IS NULL OR EXISTS (SELECT FROM key)
                ON CONFLICT (id) DO NOTHING RETURNING id
            ), audit AS (
                INSERT INTO \(table("audit")) (at, actor, action, job_id, request_id, peer)
                SELECT now(), $5, 'job.create', id, $6, $7 FROM job
            )
            SELECT job_id, body_hash = $2 FROM used
            UNION ALL SELECT job_id, true FROM key
            UNION ALL SELECT $4::uuid, true WHERE $1 IS NULL
            """
    }

    /// Writes everything about the job that changes. Ignored when `lease` is no longer the job's, and
    /// when something later was written before.
    ///
    /// - Returns: false if the table has lost the job.
    @discardableResult
    package func update(_ job: JobSnapshot, lease: JobLease) async throws(StatusError) -> Bool {
        let row = JobRow(job, lease: lease).json.renderedString()
        let rows = try await run(
            """
            WITH changed AS (
            UPDATE \(table("jobs")) AS j SET (state, state_reason, started_at, finished_at, pending,
                running, succeeded, skipped, failed, cancelled, first_errors, version) =
                (r.state, r.state_reason, r.started_at, r.finished_at, r.pending, r.running,
                r.succeeded, r.skipped, r.failed, r.cancelled, r.first_errors, r.version)
            FROM json_populate_record(NULL::\(table("jobs")), $1) AS r
            WHERE j.id = r.id AND j.lease_epoch = r.lease_epoch AND j.version <= r.version
                AND j.finished_at IS NULL
            )
            SELECT EXISTS (SELECT FROM \(table("jobs")) WHERE id = $2::uuid)
            """, [row, job.id.description])
        return rows[0][0] == "t"
    }

    /// Notes who steered a job, or settled a tenant's step of it.
    package func audit(
        _ action: String, job: JobID, tenant: String? = nil, caller: Caller
    ) async throws(StatusError) {
        _ = try await run(
            """
            INSERT INTO \(table("audit")) (at, actor, action, job_id, tenant_id, request_id, peer)
            VALUES (now(), $1, $2, $3::uuid, $4, $5, $6)
            """, [caller.name, action, job.description, tenant, caller.requestID, caller.peer])
    }

    /// The job as its row has it.
    package func job(_ id: JobID) async throws(StatusError) -> JobSnapshot? {
        let rows = try await run(
            "SELECT \(JobRow.columns) FROM \(table("jobs")) WHERE id = $1::uuid", [id.description])
        return rows.first.flatMap(JobRow.read)
    }

    /// Newest first, before `id` where it is given.
    package func jobs(
        _ filter: JobFilter, limit: Int, before id: JobID?
    ) async throws(StatusError) -> [JobSnapshot] {
        let rows = try await run(
            """
            SELECT \(JobRow.columns) FROM \(table("jobs"))
            WHERE ($1::uuid IS NULL OR id < $1::uuid)
                AND ($2::text[] = '{}' OR state = ANY($2::text[]))
                AND ($3::text[] = '{}' OR operation = ANY($3::text[]))
            ORDER BY id DESC LIMIT \(limit)
            """,
            [
                id?.description, SQLText.arrayParameter(filter.states.map(\.rawValue)),
                SQLText.arrayParameter(filter.operations.map(\.rawValue)),
            ])
        return rows.compactMap(JobRow.read)
    }

    // MARK: - Leases

    /// Takes over unfinished jobs whose lease has run out; those that were taken with other migrations
    /// only when no daemon that has the same ones has done so within another term.
    package func leaseAbandonedJobs(
        replica: String, migrations: String, term: Duration
    ) async throws(StatusError) -> [(JobSnapshot, JobLease)] {
        let rows = try await run(
            """
            UPDATE \(table("jobs")) SET lease_replica = $1::uuid, lease_epoch = lease_epoch + 1,
                lease_until = now() + $2::interval
            WHERE id IN (SELECT id FROM \(table("jobs")) WHERE lease_until < now()
                AND state IN ('queued', 'running', 'paused', 'cancelling')
                AND (migrations IS NULL OR migrations = $3
                    OR lease_until < now() - $2::interval)
                ORDER BY id FOR UPDATE SKIP LOCKED)
            RETURNING \(JobRow.columns), lease_epoch
            """, [replica, "\(term.milliseconds) ms", migrations])
        return rows.compactMap { row in
            guard let job = JobRow.read(row), let epoch = row.last?.flatMap({ Int64($0) }) else {
                return nil
            }
            return (job, JobLease(replica: replica, epoch: epoch))
        }
    }

    // MARK: - Support

    /// A table's name in SQL, with the control schema.
    package func table(_ name: String) -> String { "\(schema.quoted).\(name)" }

    /// Runs one statement with parameters, each on a connection of the pool.
    package func run(
        _ sql: String, _ parameters: [String?] = []
    ) async throws(StatusError) -> [[String?]] {
        try await translated { () throws(PostgresError) in
            try await pool.withConnection { connection throws(PostgresError) in
                try await connection.query(
                    sql, parameters, deadline: .after(StatusStore.patience))
            }
        }
    }

    /// Sends statements as one message.
    package func execute(_ sql: String) async throws(StatusError) -> [StatementResult] {
        try await translated { () throws(PostgresError) in
            try await pool.withConnection { connection throws(PostgresError) in
                try await connection.execute(sql, deadline: .after(StatusStore.patience))
            }
        }
    }

    private func translated<R>(
        _ body: () async throws(PostgresError) -> R
    ) async throws(StatusError) -> R {
        do throws(PostgresError) {
            return try await body()
        } catch {
            metrics?.add(.controlErrors)
            let error = StatusError(error)
            if error.isUnprepared { lostTables.notify() }
            throw error
        }
    }
}
