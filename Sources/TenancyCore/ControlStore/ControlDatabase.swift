package import JobModel
package import PostgresClient
package import Support
package import Tenants

/// The control database: one value a group of tables, over one pool of connections.
///
/// Every write may be repeated without harm. The tables are copies: a tenant's revision is what its
/// own rows say.
package struct ControlDatabase: Sendable {
    package let jobs: JobTable
    package let jobTenants: JobTenantTable
    package let handovers: HandoverTable
    package let tenantStatus: TenantStatusTable
    package let replicas: ReplicaTable
    package let commands: CommandTable
    package let stepJournal: StepJournalTable

    private let pool: ControlPool

    package init(
        pool connections: ConnectionPool, schema: SchemaName, clock: WallClock = .system,
        metrics: Metrics? = nil
    ) {
        let pool = ControlPool(connections: connections, schema: schema, metrics: metrics)
        self.pool = pool
        tenantStatus = TenantStatusTable(pool: pool)
        jobs = JobTable(pool: pool)
        jobTenants = JobTenantTable(pool: pool, status: tenantStatus, clock: clock)
        handovers = HandoverTable(pool: pool)
        replicas = ReplicaTable(pool: pool)
        commands = CommandTable(pool: pool)
        stepJournal = StepJournalTable(pool: pool)
    }

    // MARK: - The tables themselves

    /// Which release of the tables `prepare` brings them to.
    package static var schemaVersion: Int { ControlSchema.steps.count }

    /// Creates the tables or brings them up to this release.
    ///
    /// - Returns: how many steps were applied.
    package func prepare() async throws(StatusError) -> Int {
        try await pool.use { [schema = pool.schema] connection throws(PostgresError) in
            try await ControlSchema.prepare(schema, on: connection)
        }
    }

    /// Throws unless the database answers and its tables are there.
    package func ping() async throws(StatusError) {
        try await pool.run("SELECT version FROM \(pool.table("schema_version"))")
    }

    /// How often the tables were found missing: those of a control database that was recreated are to
    /// be prepared again.
    package var timesUnprepared: Int { pool.lostTables.generation }

    /// Waits until the tables are found missing once more than `seen` times, or the task ends.
    package func waitUntilUnprepared(after seen: Int) async {
        await pool.lostTables.wait(after: seen)
    }

    // MARK: - Lost jobs

    /// Writes down again the state of a job whose row went with the control database, and what is
    /// known of its tenants. Ignored when the row is there.
    package func restore(
        _ job: JobSnapshot, results: [TenantResult], lease: JobLease, migrations: String
    ) async throws(StatusError) {
        guard try await jobs.restore(job, lease: lease, migrations: migrations) else { return }
        _ = try await jobTenants.claim(
            results.map { TenantClaim(result: $0, targetKey: nil) }, of: job.request, job: job.id,
            lease: lease)
    }
}
