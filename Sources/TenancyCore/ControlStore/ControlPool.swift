internal import PostgresClient
internal import Support
internal import Tenants

/// The connections to the control database, shared by all table groups, and where the tables are.
struct ControlPool: Sendable {
    /// A control database that does not answer in this time counts as unreachable.
    private static let timeout = Duration.seconds(30)

    let connections: ConnectionPool
    let schema: SchemaName
    let metrics: Metrics?
    /// Notified whenever the tables are found missing.
    let lostTables = Signal()

    /// A table's name in SQL, with the control schema.
    func table(_ name: String) -> String { "\(schema.quoted).\(name)" }

    /// Runs one statement with parameters, each on a connection of the pool.
    @discardableResult
    func run(_ sql: String, _ parameters: [String?] = []) async throws(StatusError) -> Rows {
        try await use { connection throws(PostgresError) in
            Rows(
                try await connection.run(
                    sql, parameters, deadline: .after(ControlPool.timeout)))
        }
    }

    /// Sends statements as one message.
    ///
    /// - Returns: the answer of each.
    func execute(_ sql: String) async throws(StatusError) -> [Rows] {
        try await use { connection throws(PostgresError) in
            try await connection.execute(sql, deadline: .after(ControlPool.timeout)).map(Rows.init)
        }
    }

    /// Lends a connection to `body`, which may run twice.
    func use<R: Sendable>(
        _ body: @Sendable (PostgresConnection) async throws(PostgresError) -> R
    ) async throws(StatusError) -> R {
        do throws(PostgresError) {
            return try await connections.withConnection(body)
        } catch {
            metrics?.add(.controlErrors)
            let error = StatusError(error)
            if error.isUnprepared { lostTables.notify() }
            throw error
        }
    }
}

/// A group of tables that are written and read together.
///
/// A statement that changes several groups in one round trip stands in the group that leads.
protocol TableGroup: Sendable {
    var pool: ControlPool { get }
}

extension TableGroup {
    /// A table's name in SQL, with the control schema.
    func table(_ name: String) -> String { pool.table(name) }

    /// Runs one statement with parameters.
    @discardableResult
    func run(_ sql: String, _ parameters: [String?] = []) async throws(StatusError) -> Rows {
        try await pool.run(sql, parameters)
    }

    /// Whether the lease is still the job's, and stays it until the statement is through. Who holds a
    /// later one has counted what had ended by then, and nothing may end behind its back.
    func isLeased(job: Int, epoch: Int) -> String {
        """
        EXISTS (SELECT FROM \(table("jobs")) WHERE id = $\(job)::uuid \
        AND lease_epoch = $\(epoch)::bigint FOR SHARE)
        """
    }

    /// Whether the replica named by an SQL expression lives.
    func isAlive(_ replica: String) -> String {
        """
        EXISTS (SELECT FROM \(table("replicas")) AS r WHERE r.id = \(replica) \
        AND r.lease_until > now())
        """
    }
}
