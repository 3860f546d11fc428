internal import PostgresClient
internal import Support
internal import Tenants

/// The tables of the control database, as a list of steps that only ever grows.
///
/// A step changes the tables so that the release before it can still work with them: daemons of two
/// releases share one control database while a rolling update runs.
enum ControlSchema {
    /// One step a release; `$schema` stands for the quoted schema.
    static let steps = [
        """
        CREATE TABLE $schema.jobs (
            id uuid PRIMARY KEY,
            operation text NOT NULL,
            target text NOT NULL,
            request jsonb NOT NULL,
            resolved_target text[],
            state text NOT NULL,
            state_reason text,
            created_by text NOT NULL,
            created_at timestamptz NOT NULL,
            started_at timestamptz,
            finished_at timestamptz,
            retry_of uuid,
            pending integer NOT NULL,
            running integer NOT NULL,
            succeeded integer NOT NULL,
            skipped integer NOT NULL,
            failed integer NOT NULL,
            cancelled integer NOT NULL,
            first_errors jsonb NOT NULL,
            version bigint NOT NULL,
            lease_replica uuid,
            lease_epoch bigint NOT NULL,
            lease_until timestamptz NOT NULL
        );
        COMMENT ON TABLE $schema.jobs IS 'one row a job; the numbers are copies, job_tenants has the tenants';
        CREATE INDEX jobs_unfinished ON $schema.jobs (lease_until)
            WHERE state IN ('queued', 'running', 'paused', 'cancelling');
        CREATE TABLE $schema.job_tenants (
            job_id uuid NOT NULL REFERENCES $schema.jobs ON DELETE CASCADE,
            tenant_id text COLLATE "C" NOT NULL,
            identifier text NOT NULL,
            target_key bigint,
            state text NOT NULL,
            from_revisions text[],
            to_revisions text[],
            steps integer NOT NULL,
            planned text[],
            attempts integer NOT NULL,
            started_at timestamptz,
            finished_at timestamptz,
            duration_ms bigint,
            failure jsonb,
            epoch bigint NOT NULL,
            PRIMARY KEY (job_id, tenant_id)
        );
        COMMENT ON TABLE $schema.job_tenants IS 'one row a tenant and job; epoch is the lease of the job under which it was claimed';
        CREATE INDEX job_tenants_history ON $schema.job_tenants (tenant_id, job_id DESC);
        CREATE TABLE $schema.tenant_status (
            tenant_id text COLLATE "C" PRIMARY KEY,
            identifier text NOT NULL,
            revisions text[],
            read_at timestamptz,
            last_job uuid,
            last_state text,
            last_error text,
            last_finished_at timestamptz
        );
        COMMENT ON TABLE $schema.tenant_status IS 'the last known revision of each tenant; the truth is in the tenant';
        CREATE TABLE $schema.idempotency_keys (
            key text PRIMARY KEY,
            body_hash text NOT NULL,
            job_id uuid NOT NULL REFERENCES $schema.jobs ON DELETE CASCADE,
            created_at timestamptz NOT NULL
        );
        CREATE TABLE $schema.audit (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at timestamptz NOT NULL,
            actor text NOT NULL,
            action text NOT NULL,
            job_id uuid,
            request_id text NOT NULL,
            peer text NOT NULL
        );
        """,
        """
        ALTER TABLE $schema.jobs ADD COLUMN last_event bigint NOT NULL DEFAULT 0;
        ALTER TABLE $schema.job_tenants ADD COLUMN event bigint;
        COMMENT ON COLUMN $schema.job_tenants.event IS 'the place of the result in the order in which the job''s results were recorded; counted in jobs.last_event under its row lock, so that they are seen in that order, too';
        CREATE INDEX job_tenants_events ON $schema.job_tenants (job_id, event)
            WHERE event IS NOT NULL;
        """,
        """
        CREATE TABLE $schema.step_journal (
            target_key bigint PRIMARY KEY,
            tenant_ids text[] NOT NULL,
            job_id uuid NOT NULL,
            epoch bigint NOT NULL,
            revision text NOT NULL,
            direction text NOT NULL,
            unit integer NOT NULL,
            statement text NOT NULL,
            doubt text,
            detail jsonb NOT NULL,
            builds_in text UNIQUE,
            updated_at timestamptz NOT NULL
        );
        COMMENT ON TABLE $schema.step_journal IS 'steps that cannot commit together with their version row, while they are not finished; one a target, and one at a time that builds an index in a database';
        CREATE INDEX step_journal_tenants ON $schema.step_journal USING gin (tenant_ids);
        ALTER TABLE $schema.audit ADD COLUMN tenant_id text;
        """,
        """
        CREATE TABLE $schema.replicas (
            id uuid PRIMARY KEY,
            version text NOT NULL,
            migrations text NOT NULL,
            started_at timestamptz NOT NULL,
            lease_until timestamptz NOT NULL,
            is_draining boolean NOT NULL
        );
        COMMENT ON TABLE $schema.replicas IS 'the daemons that live, or lived until a while ago';
        CREATE TABLE $schema.job_shares (
            job_id uuid NOT NULL REFERENCES $schema.jobs ON DELETE CASCADE,
            replica uuid NOT NULL,
            slots integer NOT NULL,
            running text[] NOT NULL,
            PRIMARY KEY (job_id, replica)
        );
        COMMENT ON TABLE $schema.job_shares IS 'how many tenants of a job each daemon may migrate at once, and which it does';
        CREATE TABLE $schema.job_commands (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            job_id uuid NOT NULL REFERENCES $schema.jobs ON DELETE CASCADE,
            action text NOT NULL,
            asked_at timestamptz NOT NULL,
            done_at timestamptz,
            refused_in text
        );
        COMMENT ON TABLE $schema.job_commands IS 'what a daemon was asked to do to a job that another one leads';
        CREATE INDEX job_commands_open ON $schema.job_commands (job_id) WHERE done_at IS NULL;
        ALTER TABLE $schema.jobs ADD COLUMN migrations text;
        ALTER TABLE $schema.jobs ADD COLUMN is_interrupted boolean NOT NULL DEFAULT false;
        ALTER TABLE $schema.job_tenants ADD COLUMN worker uuid;
        ALTER TABLE $schema.job_tenants ADD COLUMN is_offered boolean NOT NULL DEFAULT false;
        COMMENT ON COLUMN $schema.job_tenants.worker IS 'the daemon that has taken the tenant over from the one that leads the job';
        CREATE INDEX job_tenants_offered ON $schema.job_tenants (job_id, tenant_id)
            WHERE is_offered AND worker IS NULL AND state = 'pending';
        CREATE INDEX job_tenants_workers ON $schema.job_tenants (job_id)
            WHERE worker IS NOT NULL AND state IN ('pending', 'running');
        ALTER TABLE $schema.job_tenants ADD COLUMN last_retry jsonb;
        ALTER TABLE $schema.step_journal ADD COLUMN replica uuid;
        """,
        """
        ALTER TABLE $schema.tenant_status ADD COLUMN last_migration jsonb;
        ALTER TABLE $schema.tenant_status ADD COLUMN last_reading jsonb;
        COMMENT ON COLUMN $schema.tenant_status.last_migration IS 'how the last job ended that changed the tenant, or found it at its target';
        COMMENT ON COLUMN $schema.tenant_status.last_reading IS 'how the last check, dry run or live reading ended';
        COMMENT ON COLUMN $schema.tenant_status.last_job IS 'last_job to last_finished_at are for daemons of the release before: their last job of either kind, or the last migration';
        UPDATE $schema.tenant_status AS s SET
            last_reading = CASE WHEN is_reading AND s.last_state <> 'cancelled' THEN last END,
            last_migration = CASE WHEN NOT is_reading AND s.last_state <> 'cancelled' THEN last
                ELSE (
                    SELECT jsonb_build_object('job_id', t.job_id, 'operation', j.operation,
                        'state', t.state, 'error', t.failure ->> 'message',
                        'finished_at', t.finished_at)
                    FROM (SELECT * FROM $schema.job_tenants WHERE tenant_id = s.tenant_id
                        ORDER BY job_id DESC LIMIT 100) AS t
                    JOIN $schema.jobs AS j ON j.id = t.job_id
                    WHERE j.operation <> 'check' AND j.request ->> 'dry_run' = 'none'
                        AND t.state IN ('succeeded', 'skipped', 'failed')
                    ORDER BY t.job_id DESC LIMIT 1)
                END
        FROM (
            SELECT k.tenant_id,
                coalesce(operation = 'check' OR request ->> 'dry_run' <> 'none', false) AS is_reading,
                jsonb_build_object('job_id', last_job, 'operation', operation,
                    'state', last_state, 'error', last_error,
                    'finished_at', last_finished_at) AS last
            FROM $schema.tenant_status AS k LEFT JOIN $schema.jobs ON id = last_job
            WHERE last_job IS NOT NULL AND last_finished_at IS NOT NULL
        ) AS old WHERE old.tenant_id = s.tenant_id;
        CREATE INDEX tenant_status_failed ON $schema.tenant_status (tenant_id)
            WHERE last_migration ->> 'state' = 'failed' OR last_state = 'failed';
        """,
        """
        ALTER TABLE $schema.jobs ADD COLUMN holds jsonb NOT NULL DEFAULT '[]';
        COMMENT ON COLUMN $schema.jobs.holds IS 'why no further tenant starts, as the replica that leads the job last said';
        """,
    ]

    /// No step takes long, and whoever holds the lock is doing the same.
    private static let timeout = Duration.seconds(60)

    /// Serialises daemons that start at the same moment.
    static let lockKey: Int64 = 0x6D69_6772_6174_6564

    /// Creates or upgrades the tables. Tables of a later release are left as they are.
    ///
    /// - Returns: how many steps were applied.
    static func prepare(
        _ schema: SchemaName, on connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        do throws(PostgresError) {
            return try await upgrade(schema, on: connection)
        } catch {
            // The caller gives the connection back; an open transaction must not go with it.
            await connection.close()
            throw error
        }
    }

    private static func upgrade(
        _ schema: SchemaName, on connection: PostgresConnection
    ) async throws(PostgresError) -> Int {
        let name = schema.quoted
        let deadline = Deadline.after(timeout)
        func run(_ sql: String) async throws(PostgresError) -> [StatementResult] {
            try await connection.execute(sql, deadline: deadline)
        }
        // CREATE SCHEMA asks for the right to create even if the schema is there; so look first. At
        // READ COMMITTED, so that what is looked at is what the last holder of the lock left.
        let found = try await run(
            """
            BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
            SELECT pg_advisory_xact_lock(\(lockKey));
            SELECT to_regnamespace(\(SQLText.literal(name))) IS NOT NULL,
                to_regclass(\(SQLText.literal(name + ".schema_version"))) IS NOT NULL
            """)
        let exists = found[2].rows[0]
        if exists[0] == "f" { _ = try await run("CREATE SCHEMA \(name)") }
        if exists[1] == "f" {
            _ = try await run(
                "CREATE TABLE \(name).schema_version (version integer NOT NULL); "
                    + "INSERT INTO \(name).schema_version VALUES (0)")
        }
        let version = try await run("SELECT version FROM \(name).schema_version")[0]
        let current = version.rows.first?.first.flatMap { $0 }.flatMap { Int($0) } ?? 0
        let missing = steps.dropFirst(current)
        for step in missing {
            _ = try await run(step.replacing("$schema", with: name))
        }
        if !missing.isEmpty {
            _ = try await run("UPDATE \(name).schema_version SET version = \(steps.count)")
        }
        _ = try await run("COMMIT")
        return missing.count
    }
}
