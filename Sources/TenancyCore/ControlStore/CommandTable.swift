package import JobModel
internal import PostgresClient

/// What a replica was asked to do to a job that it leads.
package struct JobCommand: Sendable, Equatable {
    package let id: Int64
    package let job: JobID
    package let action: String
}

/// Commands to replicas that lead jobs (`job_commands`).
package struct CommandTable: TableGroup {
    let pool: ControlPool

    /// Asks whoever leads a job to control it, and records in `audit` who asked.
    ///
    /// - Returns: the command's id.
    package func add(
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
        return try rows.first?.bigInteger("id") ?? 0
    }

    /// Whether a command was closed, and the state in which it was refused; `nil` when its job is gone.
    package func answer(
        to id: Int64
    ) async throws(StatusError) -> (refusedIn: JobState?, isDone: Bool)? {
        let rows = try await run(
            """
            SELECT refused_in, done_at IS NOT NULL AS is_done FROM \(table("job_commands"))
            WHERE id = $1::bigint
            """, [String(id)])
        guard let row = rows.first else { return nil }
        return (try row.value("refused_in", JobState.init), try row.isTrue("is_done"))
    }

    /// Open commands for any of `jobs`, oldest first.
    package func open(for jobs: [JobID]) async throws(StatusError) -> [JobCommand] {
        let rows = try await run(
            """
            SELECT id, job_id, action FROM \(table("job_commands"))
            WHERE job_id = ANY($1::uuid[]) AND done_at IS NULL ORDER BY id LIMIT 100
            """, [SQLText.arrayParameter(jobs.map(\.description))])
        return try rows.read { row throws(StatusError) in
            guard let id = try row.bigInteger("id"),
                let job = try row.value("job_id", JobID.init), let action = try row["action"]
            else { return nil }
            return JobCommand(id: id, job: job, action: action)
        }
    }

    /// Closes a command: refused in that state, or carried out.
    package func close(_ id: Int64, refusedIn state: JobState?) async throws(StatusError) {
        try await run(
            """
            UPDATE \(table("job_commands")) SET done_at = now(), refused_in = $2
            WHERE id = $1::bigint AND done_at IS NULL
            """, [String(id), state?.rawValue])
    }
}
